"""Outlast takes a model out of a notebook and keeps it working."""

__version__ = "0.1.0"
