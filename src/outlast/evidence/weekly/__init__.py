"""The weekly page: what a team has to know of a model, read in three minutes."""
