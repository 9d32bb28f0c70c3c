"""Where things are kept: ledger, tables, append-log, artifacts, fresh values."""
