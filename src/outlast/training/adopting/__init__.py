"""Models that were trained elsewhere: where they lie, how they are opened, and what is not known of them."""
