"""Windows in the ledger: what was decided about in each, what became of it, and what was found in it.

A window is a stretch of the contract's cadence, counted from 1970, and holds the predictions that were decided about
in it. Its counts grow when predictions or labels come, or predictions mature, see `refreshing`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.counting.counts import Counts, merged
from outlast.monitoring.counting.increments import Place
from outlast.monitoring.counting.marks import put_marks
from outlast.monitoring.counting.packed import pack, unpack
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import EPOCH, FORMAT, duration, micros, moment, span, utc

Key = tuple[int, datetime]
Hold = Callable[[], None]
"""Called between steps: keeps the lease, and raises when it is lost."""

_T = tables.windows.c
_C = tables.cohorts.c


@dataclass(frozen=True)
class Window:
    """One window of one version, as the ledger has it; `findings` of the window and of the day that it ends."""

    model: str
    version: int
    starts_at: datetime
    length: timedelta
    counts: Counts
    counted_at: datetime
    findings: tuple[dict[str, Any], ...] = ()

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + self.length


def starts_of(decided: datetime, length: timedelta) -> datetime:
    """The start of the window that a moment lies in.

    >>> starts_of(datetime(2013, 7, 1, 12, 40), timedelta(hours=1)).isoformat()
    '2013-07-01T12:00:00+00:00'
    """
    return EPOCH + (utc(decided) - EPOCH) // length * length


def stored(
    ledger: Ledger, model: str, version: int | None = None, since: datetime | None = None, until: datetime | None = None
) -> list[Window]:
    """The windows of a model with since <= start < until, oldest first."""
    where = _T.model == model
    for condition in (
        None if version is None else _T.version == version,
        None if since is None else _T.starts_at >= utc(since),
        None if until is None else _T.starts_at < utc(until),
    ):
        where = where if condition is None else where & condition
    same = (_C.model == _T.model) & (_C.version == _T.version) & (_C.starts_at == _T.starts_at) & (_C.slice == "")
    both = sa.outerjoin(tables.windows, tables.cohorts, same)
    query = sa.select(tables.windows, _C.counts).select_from(both).where(where).order_by(_T.starts_at, _T.version)
    with ledger.read() as connection:
        return [_window(row) for row in connection.execute(query)]


def decided(ledger: Ledger, model: str, version: int, since: datetime, until: datetime) -> Counts | None:
    """What was decided about from one moment to another, and became of it so far; whole windows only."""
    return merged(window.counts for window in stored(ledger, model, version, since, until))


def newest(ledger: Ledger, model: str, version: int) -> datetime | None:
    """The start of the last window in which anything was decided about."""
    query = sa.select(sa.func.max(_T.starts_at)).where((_T.model == model) & (_T.version == version))
    with ledger.read() as connection:
        found: datetime | None = connection.scalar(query)
    return found


def sliced(
    ledger: Ledger, model: str, version: int, since: datetime | None = None, until: datetime | None = None
) -> dict[str, list[Counts]]:
    """By declared slice, the counts of each window with since <= start < until in which it has any, oldest first."""
    where = (_C.model == model) & (_C.version == version) & (_C.slice != "")
    where = where if since is None else where & (_C.starts_at >= utc(since))
    where = where if until is None else where & (_C.starts_at < utc(until))
    query = sa.select(_C.slice, _C.counts).where(where).order_by(_C.slice, _C.starts_at)
    found: dict[str, list[Counts]] = {}
    with ledger.read() as connection:
        for row in connection.execute(query):
            found.setdefault(row.slice, []).append(unpack(row.counts))
    return found


def pending(ledger: Ledger, model: str) -> list[tuple[Key, bool]]:
    """Windows not judged for good, oldest first, and whether each has been judged by itself since it was counted."""
    marks, start = tables.marks.c, f"pending/{model}/"
    query = sa.select(marks.name, marks.value).where(marks.name.startswith(start, autoescape=True))
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    found = [(_key_of(row.name.removeprefix(start)), bool(row.value["judged"])) for row in rows]
    return sorted(found, key=lambda item: (item[0][1], item[0][0]))


def note_judged(connection: sa.Connection, window: Window, findings: Sequence[dict[str, Any]], *, done: bool) -> None:
    """Keep what was found in a window, within the caller's transaction; `done` when it will not be judged again."""
    figures = _figures(window.length, findings)
    connection.execute(
        sa.update(tables.windows).where(_is(window.model, window.version, window.starts_at)).values(figures=figures)
    )
    name = tables.marks.c.name == _pending_name(window.model, window.version, window.starts_at)
    if done:
        connection.execute(sa.delete(tables.marks).where(name))
    else:
        connection.execute(sa.update(tables.marks).where(name).values(value={"judged": True}))


def add(
    connection: sa.Connection,
    model: str,
    found: Mapping[Place, Mapping[int, Counts]],
    length: timedelta,
    now: datetime,
) -> int:
    """Add increments to windows, by their numbers, within the caller's transaction; returns how many changed.

    Those that changed are noted as waiting to be judged.
    """
    for (version, slice), by_number in sorted(found.items()):
        added = {EPOCH + number * length: counts for number, counts in by_number.items()}
        mine = (_C.model == model) & (_C.version == version) & (_C.slice == slice)
        mine &= _C.starts_at.between(min(added), max(added))
        query = sa.select(_C.starts_at, _C.counts).where(mine)
        there = {row.starts_at: unpack(row.counts) for row in connection.execute(query) if row.starts_at in added}
        for start in there:
            connection.execute(sa.delete(tables.cohorts).where(mine & (_C.starts_at == start)))
        keys = {"model": model, "version": version, "slice": slice, "updated_at": now}
        whole = {start: there[start] + counts if start in there else counts for start, counts in added.items()}
        rows = [{**keys, "starts_at": start, "counts": pack(counts)} for start, counts in sorted(whole.items())]
        connection.execute(sa.insert(tables.cohorts), rows)
        if not slice:
            _note_changed(connection, (model, version), sorted(added), length, now)
    return sum(len(by_number) for (_, slice), by_number in found.items() if not slice)


def forget(connection: sa.Connection, model: str) -> None:
    """Windows go, with what was found in them, to be counted anew from the journal."""
    names = tables.marks.c.name
    for table in (tables.windows, tables.cohorts):
        connection.execute(sa.delete(table).where(table.c.model == model))
    connection.execute(sa.delete(tables.marks).where(names.startswith(f"pending/{model}/", autoescape=True)))
    connection.execute(sa.delete(tables.marks).where(names == f"windows/{model}"))


def _note_changed(
    connection: sa.Connection, of: tuple[str, int], starts: Sequence[datetime], length: timedelta, now: datetime
) -> None:
    """Have windows judged: those that are new get a row, all of them a mark."""
    model, version = of
    mine = (_T.model == model) & (_T.version == version) & _T.starts_at.between(starts[0], starts[-1])
    there = set(connection.scalars(sa.select(_T.starts_at).where(mine)))
    keys = {"model": model, "version": version, "figures": _figures(length, ()), "updated_at": now}
    new = [{**keys, "starts_at": start} for start in starts if start not in there]
    if new:
        connection.execute(sa.insert(tables.windows), new)
    marks = {_pending_name(model, version, start): {"judged": False} for start in starts}
    put_marks(connection, marks, now)


def _figures(length: timedelta, findings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"format": FORMAT, "cadence": span(length), "findings": list(findings)}


def _window(row: Any) -> Window:
    kept = row.figures
    length = duration(kept["cadence"])
    # Until the first count of an Outlast that has cohorts, the counts are where the one before it put them.
    counts = Counts.from_json(kept["counts"]) if row.counts is None else unpack(row.counts)
    return Window(row.model, row.version, row.starts_at, length, counts, row.updated_at, tuple(kept["findings"]))


def _is(model: str, version: int, start: datetime) -> sa.ColumnElement[bool]:
    return (_T.model == model) & (_T.version == version) & (_T.starts_at == start)


def _pending_name(model: str, version: int, start: datetime) -> str:
    return f"pending/{model}/{version}/{micros(start)}"


def _key_of(name: str) -> Key:
    version, start = name.split("/")
    return int(version), moment(int(start))
