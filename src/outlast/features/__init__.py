"""Features as known at the decision: lookups, windows and functions, offline and online by the same code."""
