"""Writes what the reference pages take from the code: python -m scripts.reference, or with --check only compares."""
