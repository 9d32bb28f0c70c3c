"""Marks in the ledger: how far something has come."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables

_T = tables.marks
_AT_ONCE = 500


def mark(ledger: Ledger, name: str) -> Any:
    """What a mark says; None where there is none."""
    with ledger.read() as connection:
        return read_mark(connection, name)


def read_mark(connection: sa.Connection, name: str) -> Any:
    """The same within the caller's transaction."""
    return connection.scalar(sa.select(_T.c.value).where(_T.c.name == name))


def put_mark(connection: sa.Connection, name: str, value: dict[str, Any], now: datetime) -> None:
    """Set a mark within the caller's transaction."""
    done = connection.execute(sa.update(_T).where(_T.c.name == name).values(value=value, at=now))
    if not done.rowcount:
        connection.execute(sa.insert(_T).values(name=name, value=value, at=now))


def put_marks(connection: sa.Connection, values: Mapping[str, dict[str, Any]], now: datetime) -> None:
    """Set many marks within the caller's transaction."""
    names = list(values)
    for first in range(0, len(names), _AT_ONCE):
        part = names[first : first + _AT_ONCE]
        connection.execute(sa.delete(_T).where(_T.c.name.in_(part)))
        connection.execute(sa.insert(_T), [{"name": name, "value": values[name], "at": now} for name in part])
