"""Versions in a process, and the protocols through which callers reach them."""
