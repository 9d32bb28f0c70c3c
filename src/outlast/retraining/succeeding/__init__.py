"""From a decision to a live version: trained and judged in a process of its own, then shadow, canary, live."""
