"""Environments that a version was made in: written down, and made again."""
