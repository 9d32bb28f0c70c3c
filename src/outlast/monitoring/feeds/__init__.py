"""Sources by themselves: whether they are there, on time, as many as usual, and shaped as they were."""
