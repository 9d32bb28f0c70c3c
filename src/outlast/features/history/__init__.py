"""Lookups over a whole history: facts in one order, and what is computed over slices of it."""
