"""The ledger as lines of JSON, one file per table: what SQLite wrote PostgreSQL can take, and the other way round."""

from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa

from outlast.storage.ledger import schema

LEFT_OUT = {
    schema.leases.name: "what running processes hold",
    schema.mirror.name: "what one MLflow was told, which another may not know",
    schema.meta.name: "what a ledger says of itself",
}
"""Tables that belong to a place and not to what is kept in it."""

TABLES = tuple(table for table in schema.metadata.sorted_tables if table.name not in LEFT_OUT)
_AT_ONCE = 500


def write(connection: sa.Connection, table: sa.Table, stream: BinaryIO) -> int:
    """Every row of a table as a line; returns how many."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - counted
        stream.write(msgspec.json.encode(dict(row._mapping)) + b"\n")
    return count


def read(connection: sa.Connection, table: sa.Table, stream: BinaryIO) -> None:
    """Put lines back as rows of an empty table."""
    for rows in _parts(stream):
        for row in rows:
            _typed(table, row)
        connection.execute(sa.insert(table), rows)
    _count_on(connection, table)


def is_empty(connection: sa.Connection) -> bool:
    """Whether a ledger holds nothing of what a backup does."""
    return all(connection.execute(sa.select(sa.literal(1)).select_from(t).limit(1)).first() is None for t in TABLES)


def _parts(stream: BinaryIO) -> Iterator[list[dict[str, Any]]]:
    rows = []
    for line in stream:
        rows.append(msgspec.json.decode(line))
        if len(rows) == _AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _typed(table: sa.Table, row: dict[str, Any]) -> None:
    """What JSON has no type for: moments, and bytes, which it holds in base64."""
    for column in table.columns:
        value = row.get(column.name)
        if value is None:
            continue
        if isinstance(column.type, schema.Moment):
            row[column.name] = datetime.fromisoformat(value)
        elif isinstance(column.type, sa.LargeBinary):
            row[column.name] = b64decode(value)


def _count_on(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL give out the numbers after those that are taken."""
    key = table.primary_key.columns.values()
    if connection.dialect.name != "postgresql" or len(key) != 1 or not isinstance(key[0].type, sa.BigInteger):
        return
    sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, key[0].name)))
    highest = connection.scalar(sa.select(sa.func.max(key[0])))
    if sequence is not None and highest is not None:
        connection.execute(sa.select(sa.func.setval(sequence, highest)))
