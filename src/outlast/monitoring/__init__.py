"""Watching a model: counts per window, what they say, and who is told."""
