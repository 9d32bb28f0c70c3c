"""A store of fresh values by its address."""

from pathlib import Path

from outlast.errors import StorageError
from outlast.storage.fresh.redis import RedisFresh
from outlast.storage.fresh.sqlite import FreshValues
from outlast.storage.fresh.store import FreshStore

REDIS = ("redis://", "rediss://", "unix://")


def open_fresh(address: str | Path, namespace: str = "outlast") -> FreshStore:
    """The store at a path or a Redis address, connected when it is first needed; a Redis can hold several namespaces.

    >>> open_fresh("redis://:secret@cache.example/1").address
    'redis://cache.example/1'
    """
    text = str(address)
    if text.startswith(REDIS):
        return RedisFresh(text, namespace)
    if "://" in text:
        kind = text.partition("://")[0]
        raise StorageError(
            f"Fresh values cannot be kept at a '{kind}://' address: expected a file's path, or an address of Redis "
            "with redis://, rediss:// or unix://"
        )
    return FreshValues(Path(text))
