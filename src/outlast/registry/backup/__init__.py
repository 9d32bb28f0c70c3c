"""Copies of a whole workspace, taken while it works, and put back into an empty one."""
