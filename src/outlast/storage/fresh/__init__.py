"""Fresh values: the facts that online lookups read, by lookup and entity, in SQLite or Redis."""

from outlast.storage.fresh.opening import open_fresh
from outlast.storage.fresh.sqlite import FreshValues
from outlast.storage.fresh.store import DamagedFresh, Fact, Found, FreshStore, Grown, Latest, Request, Since, Version

__all__ = [
    "DamagedFresh",
    "Fact",
    "Found",
    "FreshStore",
    "FreshValues",
    "Grown",
    "Latest",
    "Request",
    "Since",
    "Version",
    "open_fresh",
]
