"""Windows in the ledger: which predictions belong to one, which windows must be counted again, and what was counted.

A window is a stretch of the contract's cadence, counted from 1970, and holds the predictions that were decided in it.
Counting is a pure function of the journal, so counting again is always safe; only windows that something arrived for,
or in which predictions have matured since, are counted again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import polars as pl
import sqlalchemy as sa

from outlast.journal.reading import joined
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.grading import COLUMNS, Terms, count
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import EPOCH, FORMAT, duration, micros, moment, span, utc

SLACK = timedelta(minutes=10)
"""How far the clocks of servers may be apart: what arrived this long before the last look is looked at again."""
TOGETHER = 24
"""Windows that are read at once."""

Key = tuple[int, datetime]
Hold = Callable[[], None]
"""Called between steps: keeps the lease, and raises when it is lost."""

_T = tables.windows.c


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


def refresh(
    workspace: Workspace,
    model: str,
    cadence: timedelta,
    *,
    now: datetime,
    subject: Callable[[int], Subject],
    hold: Hold,
) -> int:
    """Count every window of a model that has changed since the last time; returns how many changed.

    A killed refresh leaves whole windows, and the next one begins where the last finished one ended.
    """
    ledger, mark = workspace.ledger, f"windows/{model}"
    before = _mark(ledger, mark)
    if before is not None and before["cadence"] != span(cadence):
        _forget(ledger, model, mark)
        before = None
    arrived, due = _arrivals(workspace, model, cadence, None if before is None else moment(before["arrived"]))
    due |= _ripened(ledger, model, cadence, now=now, subject=subject)
    changed = 0
    for version, starts in _batches(due):
        hold()
        known = subject(version)
        counted = dict(_counted(workspace, known.terms, model, (version, starts, cadence), now))
        changed += _keep(ledger, model, version, cadence, counted, now)
    if arrived is not None:
        # What came later than now, by another clock, is not known yet and has to be looked at again.
        _set_mark(ledger, mark, {"arrived": micros(min(arrived, utc(now))), "cadence": span(cadence)}, now)
    return changed


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
    query = sa.select(tables.windows).where(where).order_by(_T.starts_at, _T.version)
    with ledger.read() as connection:
        return [_window(row) for row in connection.execute(query)]


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
    figures = _figures(window.counts, window.length, findings)
    connection.execute(
        sa.update(tables.windows).where(_is(window.model, window.version, window.starts_at)).values(figures=figures)
    )
    name = tables.marks.c.name == _pending_name(window.model, window.version, window.starts_at)
    if done:
        connection.execute(sa.delete(tables.marks).where(name))
    else:
        connection.execute(sa.update(tables.marks).where(name).values(value={"judged": True}))


def _arrivals(
    workspace: Workspace, model: str, cadence: timedelta, last: datetime | None
) -> tuple[datetime | None, set[Key]]:
    """The windows that predictions or labels have arrived for, and when the last of those arrived."""
    came = pl.max_horizontal("at", "labelled_at")
    frame = joined(workspace, model)
    if last is not None:
        frame = frame.filter(came >= last - SLACK)
    # truncate() counts from 1970 only for lengths that divide a week, so windows are numbered by hand
    number = pl.col("decide_at").dt.epoch("us") // (cadence // timedelta(microseconds=1))
    found = frame.group_by("version", number.alias("window")).agg(came.max().alias("came")).collect()
    newest = found["came"].max() if found.height else last
    assert newest is None or isinstance(newest, datetime)
    keys = {(int(v), EPOCH + int(n) * cadence) for v, n in found.select("version", "window").iter_rows()}
    return newest, keys


def _ripened(
    ledger: Ledger, model: str, cadence: timedelta, *, now: datetime, subject: Callable[[int], Subject]
) -> set[Key]:
    """Windows with predictions that have matured since they were counted, though nothing arrived."""
    with ledger.read() as connection:
        rows = connection.execute(sa.select(_T.version, _T.starts_at, _T.updated_at).where(_T.model == model)).all()
    found: set[Key] = set()
    for version, group in groupby(sorted(rows), key=lambda row: row.version):
        maturity = subject(version).terms.maturity
        for row in group:
            first = row.starts_at + maturity
            if first <= now and row.updated_at < first + cadence:
                found.add((version, row.starts_at))
    return found


def _batches(due: Iterable[Key]) -> Iterator[tuple[int, list[datetime]]]:
    """Windows of one version that lie near each other, oldest first."""
    for version, group in groupby(sorted(due), key=lambda key: key[0]):
        starts = [start for _, start in group]
        for first in range(0, len(starts), TOGETHER):
            yield version, starts[first : first + TOGETHER]


def _counted(
    workspace: Workspace, terms: Terms, model: str, what: tuple[int, list[datetime], timedelta], now: datetime
) -> Iterator[tuple[datetime, Counts]]:
    version, starts, cadence = what
    frame = joined(workspace, model, starts[0], starts[-1] + cadence, as_of=now).filter(pl.col("version") == version)
    number = pl.col("decide_at").dt.epoch("us") // (cadence // timedelta(microseconds=1))
    wanted = [(start - EPOCH) // cadence for start in starts]
    rows = frame.with_columns(number.alias("window")).filter(pl.col("window").is_in(wanted))
    parts = rows.select("window", *COLUMNS).collect().partition_by("window", as_dict=True)
    for (found,), part in parts.items():
        yield EPOCH + int(found) * cadence, count(part, terms, now)


def _keep(
    ledger: Ledger, model: str, version: int, cadence: timedelta, counted: dict[datetime, Counts], now: datetime
) -> int:
    """Write counts, and note that the changed ones are to be judged, all in one transaction."""
    changed = 0
    with ledger.write() as connection:
        for start, counts in sorted(counted.items()):
            where = _is(model, version, start)
            row = connection.execute(sa.select(_T.figures).where(where)).one_or_none()
            if row is not None and row.figures["counts"] == counts.to_json():
                connection.execute(sa.update(tables.windows).where(where).values(updated_at=now))
                continue
            findings = () if row is None else row.figures["findings"]
            values = {"figures": _figures(counts, cadence, findings), "updated_at": now}
            if row is None:
                keys = {"model": model, "version": version, "starts_at": start}
                connection.execute(sa.insert(tables.windows).values(**keys, **values))
            else:
                connection.execute(sa.update(tables.windows).where(where).values(**values))
            put_mark(connection, _pending_name(model, version, start), {"judged": False}, now)
            changed += 1
    return changed


def put_mark(connection: sa.Connection, name: str, value: dict[str, Any], now: datetime) -> None:
    """Set a mark within the caller's transaction."""
    done = connection.execute(sa.update(tables.marks).where(tables.marks.c.name == name).values(value=value, at=now))
    if not done.rowcount:
        connection.execute(sa.insert(tables.marks).values(name=name, value=value, at=now))


def _set_mark(ledger: Ledger, name: str, value: dict[str, Any], now: datetime) -> None:
    with ledger.write() as connection:
        put_mark(connection, name, value, now)


def _mark(ledger: Ledger, name: str) -> Any:
    with ledger.read() as connection:
        return connection.scalar(sa.select(tables.marks.c.value).where(tables.marks.c.name == name))


def _forget(ledger: Ledger, model: str, mark: str) -> None:
    """Windows of another cadence go, and are counted anew from the journal."""
    names = tables.marks.c.name
    with ledger.write() as connection:
        connection.execute(sa.delete(tables.windows).where(_T.model == model))
        pendings = names.startswith(f"pending/{model}/", autoescape=True)
        connection.execute(sa.delete(tables.marks).where(pendings | (names == mark)))


def _figures(counts: Counts, length: timedelta, findings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"format": FORMAT, "cadence": span(length), "counts": counts.to_json(), "findings": list(findings)}


def _window(row: Any) -> Window:
    kept = row.figures
    length, counts = duration(kept["cadence"]), Counts.from_json(kept["counts"])
    return Window(row.model, row.version, row.starts_at, length, counts, row.updated_at, tuple(kept["findings"]))


def _is(model: str, version: int, start: datetime) -> sa.ColumnElement[bool]:
    return (_T.model == model) & (_T.version == version) & (_T.starts_at == start)


def _pending_name(model: str, version: int, start: datetime) -> str:
    return f"pending/{model}/{version}/{micros(start)}"


def _key_of(name: str) -> Key:
    version, start = name.split("/")
    return int(version), moment(int(start))
