"""From the journal to counts: what arrived in each check, and what became of each window decided about."""
