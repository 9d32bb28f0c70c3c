"""The ledger: versions, rollouts, audit and leases, in SQLite or PostgreSQL."""

from outlast.storage.ledger.grants import grant
from outlast.storage.ledger.ledger import Ledger, after_commit, lock, outside_of
from outlast.storage.ledger.opening import migrate_ledger, open_ledger
from outlast.storage.ledger.outside import Outside

__all__ = ["Ledger", "Outside", "after_commit", "grant", "lock", "migrate_ledger", "open_ledger", "outside_of"]
