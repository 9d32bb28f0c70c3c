"""Versions and what is live: the one record of them, its tamper-evident trail, and MLflow as a mirror."""
