"""Small programs for those who work on Outlast: what make runs."""
