"""Scoring tables: in parts, in several processes, kept until all of it is there."""
