"""One file per change of what the ledger stores, in order."""
