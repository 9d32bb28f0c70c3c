"""Incidents: what somebody has to look at, one for each cause, and what became of it."""
