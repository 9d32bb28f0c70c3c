"""The ledger: versions, rollouts, audit and leases, in SQLite or PostgreSQL."""

from outlast.storage.ledger.ledger import Ledger, lock
from outlast.storage.ledger.opening import migrate_ledger, open_ledger

__all__ = ["Ledger", "lock", "migrate_ledger", "open_ledger"]
