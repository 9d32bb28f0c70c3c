"""Checks in the ledger: for each, the counts of everything that arrived up to its end.

A check ends every cadence, counted from 1970. What is kept is cumulative, so any stretch is two reads and one
subtraction. A check that has ended is closed and never written again; what is sealed late counts in the next.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.increments import Place
from outlast.monitoring.counting.marks import mark, put_mark, read_mark
from outlast.monitoring.counting.packed import pack, unpack
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger, lock
from outlast.storage.ledger import schema as tables
from outlast.types import micros, moment, utc

TOGETHER = 168
"""Checks that are judged in one transaction at most."""

_T = tables.profiles.c


@dataclass(frozen=True)
class Check:
    """What arrived in a check, by version and slice; '' is all of a version."""

    model: str
    at: datetime
    """Its end."""
    increments: Mapping[Place, Counts]


def period(
    ledger: Ledger,
    model: str,
    version: int,
    slice: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Counts | None:
    """What arrived in the checks that ended with since < end <= until; None where nothing ever had by then."""
    with ledger.read() as connection:
        last = _latest(connection, model, (version, slice), until)
        first = None if since is None else _latest(connection, model, (version, slice), since)
    if last is None or first is None:
        return last
    return last - first


def increments(ledger: Ledger, model: str, at: datetime) -> Check:
    """What arrived in the check that ended at a moment."""
    with ledger.read() as connection:
        rows = connection.execute(sa.select(tables.profiles).where((_T.model == model) & (_T.at == utc(at)))).all()
        before = {(r.version, r.slice): _before(connection, model, (r.version, r.slice), r.at) for r in rows}
    return Check(model, utc(at), {place: _since(before[place], unpack(row.counts)) for place, row in _placed(rows)})


def each(ledger: Ledger, model: str, after: datetime | None, until: datetime) -> Iterator[Check]:
    """The checks in which something arrived, with after < end <= until, oldest first."""
    where = (_T.model == model) & (_T.at <= utc(until))
    if after is not None:
        where &= _T.at > utc(after)
    with ledger.read() as connection:
        moments = connection.scalars(sa.select(_T.at).where(where).distinct().order_by(_T.at)).all()
    known: dict[Place, Counts | None] = {}
    for first in range(0, len(moments), TOGETHER):
        part = moments[first : first + TOGETHER]
        mine = (_T.model == model) & (_T.at >= part[0]) & (_T.at <= part[-1])
        with ledger.read() as connection:
            rows = connection.execute(sa.select(tables.profiles).where(mine).order_by(_T.at)).all()
            for row in rows:
                place = (row.version, row.slice)
                if place not in known:
                    known[place] = _before(connection, model, place, row.at)
        yield from _stepped(model, rows, known)


def closed_until(ledger: Ledger, model: str) -> datetime | None:
    """The end of the last closed check, whether anything arrived in it or not; None before the first count."""
    kept = mark(ledger, f"counted/{model}")
    return None if kept is None or kept["closed"] is None else moment(kept["closed"])


def judge_closed(
    workspace: Workspace,
    model: str,
    judge: Callable[[sa.Connection, Sequence[Check]], None],
    *,
    now: datetime,
    hold: Callable[[], None],
    together: int = TOGETHER,
) -> int:
    """Hand every closed check in which something arrived to `judge`, once and in order; returns how many they were.

    What `judge` writes through the connection and the note that these checks are judged are one transaction, so a
    killed judgement begins again where the last whole one ended.
    """
    ledger, name = workspace.ledger, f"judged/{model}"
    until = closed_until(ledger, model)
    if until is None:
        return 0
    kept = mark(ledger, name)
    waiting, done = each(ledger, model, None if kept is None else moment(kept["at"]), until), 0
    while part := list(islice(waiting, together)):
        hold()
        with ledger.write() as connection:
            lock(connection, name)
            if read_mark(connection, name) != kept:
                return done  # somebody else is at it
            judge(connection, part)
            kept = {"at": micros(part[-1].at)}
            put_mark(connection, name, kept, now)
        done += len(part)
    return done


def add(connection: sa.Connection, model: str, found: Mapping[Place, Mapping[int, Counts]], length: timedelta) -> None:
    """Add increments to checks that are open, by their numbers, within the caller's transaction."""
    for (version, slice), by_number in sorted(found.items()):
        added = {moment(number * (length // timedelta(microseconds=1))): counts for number, counts in by_number.items()}
        mine = (_T.model == model) & (_T.version == version) & (_T.slice == slice)
        first = min(added)
        open_ = connection.execute(sa.select(_T.at, _T.counts).where(mine & (_T.at >= first)).order_by(_T.at)).all()
        there = {row.at: row.counts for row in open_}
        base = _before(connection, model, (version, slice), first)
        rows = _summed(base, there, added)
        if there:
            connection.execute(sa.delete(tables.profiles).where(mine & (_T.at >= first)))
        keys = {"model": model, "version": version, "slice": slice}
        connection.execute(sa.insert(tables.profiles), [{**keys, "at": at, "counts": data} for at, data in rows])


def _summed(
    base: Counts | None, there: Mapping[datetime, bytes], added: Mapping[datetime, Counts]
) -> list[tuple[datetime, bytes]]:
    kept, more = base, None
    made = []
    for at in sorted({*there, *added}):
        kept = unpack(there[at]) if at in there else kept
        if at in added:
            more = added[at] if more is None else more + added[at]
        whole = more if kept is None else kept if more is None else kept + more
        assert whole is not None
        made.append((at, pack(whole)))
    return made


def _stepped(model: str, rows: Sequence[Any], known: dict[Place, Counts | None]) -> Iterator[Check]:
    by_moment: dict[datetime, dict[Place, Counts]] = {}
    for place, row in _placed(rows):
        counts = unpack(row.counts)
        by_moment.setdefault(row.at, {})[place] = _since(known[place], counts)
        known[place] = counts
    for at, found in by_moment.items():
        yield Check(model, at, found)


def _placed(rows: Sequence[Any]) -> Iterator[tuple[Place, Any]]:
    for row in rows:
        yield (row.version, row.slice), row


def _since(before: Counts | None, counts: Counts) -> Counts:
    return counts if before is None else counts - before


def _latest(connection: sa.Connection, model: str, place: Place, until: datetime | None) -> Counts | None:
    mine = (_T.model == model) & (_T.version == place[0]) & (_T.slice == place[1])
    mine = mine if until is None else mine & (_T.at <= utc(until))
    data = connection.scalar(sa.select(_T.counts).where(mine).order_by(_T.at.desc()).limit(1))
    return None if data is None else unpack(data)


def _before(connection: sa.Connection, model: str, place: Place, at: datetime) -> Counts | None:
    return _latest(connection, model, place, at - timedelta(microseconds=1))
