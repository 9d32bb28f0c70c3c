"""In which order segments of the journal came into the tables: each has a number, given once its rows are there."""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl
import sqlalchemy as sa

from outlast.journal.columns import KINDS, REPEATS, SEGMENT
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger, lock
from outlast.storage.ledger import schema as tables
from outlast.types import now

_T = tables.sealed
_AT_ONCE = 500
_ADOPTED = "sealed/restored"
_KINDS = {kind.name for kind in KINDS} - {REPEATS.name}
"""Tables whose rows come in segments of their own."""


def note(ledger: Ledger, stream: str, segments: Sequence[str]) -> None:
    """Give segments their numbers, after all that have one; one that has a number keeps it.

    One transaction at a time does so, so whoever sees a number sees every smaller one.
    """
    with ledger.write() as connection:
        lock(connection, "sealed")
        known = _numbers(connection, stream, segments)
        rows = [{"stream": stream, "segment": name, "at": now()} for name in segments if name not in known]
        if rows:
            connection.execute(sa.insert(_T), rows)


def adopt(workspace: Workspace, stream: str) -> None:
    """Number what an Outlast without numbers brought into a table, in the order in which it was begun."""
    if not workspace.tables.exists(stream):
        return
    there = workspace.tables.scan(stream).select(pl.col(SEGMENT).unique()).collect()[SEGMENT].drop_nulls()
    note(workspace.ledger, stream, sorted(there.to_list()))


def adopt_restored(workspace: Workspace) -> bool:
    """After a restore, number what was sealed while the backup was taken: the ledger was copied before the tables."""
    marks, trail = tables.marks, tables.audit.c
    restored = sa.select(sa.func.max(trail.seq)).where((trail.object == "workspace") & (trail.action == "restore"))
    with workspace.ledger.read() as connection:
        seq = connection.scalar(restored)
        kept = connection.scalar(sa.select(marks.c.value).where(marks.c.name == _ADOPTED))
    if seq is None or (kept is not None and kept["restore"] == seq):
        return False
    for name in workspace.tables.names():
        if name.partition("/")[0] in _KINDS:
            adopt(workspace, name)
    with workspace.ledger.write() as connection:
        connection.execute(sa.delete(marks).where(marks.c.name == _ADOPTED))
        connection.execute(sa.insert(marks).values(name=_ADOPTED, value={"restore": seq}, at=now()))
    return True


def last(ledger: Ledger) -> int:
    """The greatest number given; 0 for none."""
    with ledger.read() as connection:
        return connection.scalar(sa.select(sa.func.max(_T.c.id))) or 0


def after(ledger: Ledger, stream: str, number: int, until: int) -> dict[str, int]:
    """The segments of a stream with number < theirs <= until, in their order."""
    mine = (_T.c.stream == stream) & (_T.c.id > number) & (_T.c.id <= until)
    with ledger.read() as connection:
        return _by_name(connection, mine)


def numbers(ledger: Ledger, stream: str, segments: Iterable[str]) -> dict[str, int]:
    """The numbers of some segments; one that has none is not in the tables, or only just."""
    with ledger.read() as connection:
        return _numbers(connection, stream, list(segments))


def _numbers(connection: sa.Connection, stream: str, segments: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _parts(segments):
        mine = (_T.c.stream == stream) & _T.c.segment.in_(part)
        found |= _by_name(connection, mine)
    return found


def _by_name(connection: sa.Connection, which: sa.ColumnElement[bool]) -> dict[str, int]:
    query = sa.select(_T.c.segment, _T.c.id).where(which).order_by(_T.c.id)
    return {row.segment: row.id for row in connection.execute(query)}


def _parts(segments: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(segments), _AT_ONCE):
        yield segments[first : first + _AT_ONCE]
