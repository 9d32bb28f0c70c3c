"""What was answered, what turned out, and what was told: kept as it came, and joined again."""
