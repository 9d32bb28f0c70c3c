"""Judging by outcomes: a challenger beside what is live, and what is live beside the version before it."""
