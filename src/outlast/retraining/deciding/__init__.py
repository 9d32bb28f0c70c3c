"""Whether a successor is trained now: what asks for one, what stands in the way, and a record of either."""
