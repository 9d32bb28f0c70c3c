"""Telling people: alerts, the routes they take, and when."""
