"""Several processes that answer at one address: who starts them, and what each knows of the others."""
