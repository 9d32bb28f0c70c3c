"""One look at a source: what is new at its location, and what was pushed since the last look."""

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from outlast.data.schema import Schema, dtype_name
from outlast.data.sources import address, kind_of, matched, reading, scan
from outlast.errors import DataError, NotFound, OutlastError
from outlast.features.facts import KNOWN, known_at
from outlast.journal.history import ARRIVED, arrivals
from outlast.monitoring.feeds.memory import LAGS, Came, Memory
from outlast.project.declare import Location, Source
from outlast.project.workspace import Workspace
from outlast.types import moment, utc

SLACK = timedelta(minutes=10)
"""How much later than others a server's facts may come into the tables and still be counted in their hour."""
AGAIN = timedelta(hours=1)
"""How often a place that does not say whether it has changed is read again."""
_HOUR, _SECOND = timedelta(hours=1), 1_000_000


@dataclass(frozen=True)
class Look:
    """What a source is now: what is remembered of it."""

    source: Source
    memory: Memory


def look(workspace: Workspace, source: Source, schema: Schema, place: tuple[Location, Memory], now: datetime) -> Look:
    """Look at a source that was last seen as `place` has it: its location, and what is remembered."""
    location, before = place
    broken: tuple[str, ...] = ()
    found = before
    try:
        found, broken = _held(source, schema, location, before, now)
    except NotFound as error:
        # Where a version was brought from elsewhere, or facts are only pushed, nothing ever lay there.
        broken = (error.sentence,) if before.read is not None or before.broken else ()
    except OutlastError as error:
        broken = (error.sentence,)
    if source.time is not None:
        found = _pushed(workspace, source, schema, found, now)
    return Look(source, replace(_moved(found, before, now).folded(now), at=utc(now), broken=broken))


def _moved(found: Memory, before: Memory, now: datetime) -> Memory:
    """Note that something newer came, and how long it was waited for; the last look had not seen it yet."""
    if before.newest is None or before.at is None or found.newest is None or found.newest <= before.newest:
        return found
    day, age = utc(now).date(), max(0.0, (before.at - before.newest).total_seconds())
    waits = {**before.waits, day: max(age, before.waits.get(day, 0.0))}
    return replace(found, moves=before.moves + 1, waits=waits)


def _held(
    source: Source, schema: Schema, location: Location, before: Memory, now: datetime
) -> tuple[Memory, tuple[str, ...]]:
    """What lies at the location; it is read only where it may have changed."""
    state = state_of(source, location)
    if before.read is not None and (utc(now) - before.read < AGAIN if state is None else state == before.place):
        return before, ()
    frame = scan(source, location)
    with reading(source):
        broken = tuple(_changes(schema, frame.collect_schema()))
        if source.time is None or broken:
            return replace(before, place=None, read=None), broken
        known = frame.select(known_at(source).alias(KNOWN)).drop_nulls().collect(engine="streaming")[KNOWN]
    newest = known.max()
    there = before.newest if newest is None else _later(before.newest, moment(int(newest)))  # type: ignore[arg-type]
    found = replace(before, place=state, read=utc(now), newest=there)
    oldest = found.oldest(now).timestamp() * _SECOND
    return replace(found, held=_by_day(np.sort(known.filter(known >= oldest).to_numpy()))), ()


def _pushed(workspace: Workspace, source: Source, schema: Schema, before: Memory, now: datetime) -> Memory:
    """The hours since the last look counted again, since some of their facts may have come into the tables later."""
    begin = None if before.at is None else _hour(before.at - SLACK)
    came = arrivals(workspace, source, schema, since=begin)
    came = came.with_columns(known_at(source).alias(KNOWN)).drop_nulls(KNOWN).sort(ARRIVED)
    if came.is_empty():
        return before
    arrived, known = came[ARRIVED].to_numpy(), came[KNOWN].to_numpy()
    hours = {hour: one for hour, one in before.hours.items() if begin is None or hour < begin}
    last = None if begin is None or before.last is None else min(before.last, begin).timestamp() * _SECOND
    hours |= _by_hour(arrived, known, last)
    newest = _later(before.newest, moment(int(known[known <= utc(now).timestamp() * _SECOND].max(initial=0))))
    return replace(before, hours=hours, newest=newest, last=moment(int(arrived[-1])))


def _by_hour(arrived: "np.ndarray[tuple[int], np.dtype[np.int64]]", known: "np.ndarray[tuple[int], np.dtype[np.int64]]",
             last: float | None) -> dict[datetime, Came]:  # fmt: skip
    gaps = np.diff(arrived, prepend=arrived[0] if last is None else int(last)) / _SECOND
    lags = (arrived - known) / _SECOND
    classes = np.clip(np.ceil(np.log2(np.maximum(lags, 0.5))) + 1, 0, LAGS - 1).astype(int) * (lags > 0)
    number = arrived // (3600 * _SECOND)
    found = {}
    for hour in np.unique(number):
        mine = number == hour
        late = np.bincount(classes[mine], minlength=1)
        found[moment(int(hour) * 3600 * _SECOND)] = Came(int(mine.sum()), tuple(late.tolist()), float(gaps[mine].max()))
    return found


def _by_day(known: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> dict[date, Came]:
    if not len(known):
        return {}
    gaps = np.diff(known, prepend=known[0]) / _SECOND
    number = known // (86_400 * _SECOND)
    days, starts, counts = np.unique(number, return_index=True, return_counts=True)
    longest = np.maximum.reduceat(gaps, starts)
    return {
        moment(int(day) * 86_400 * _SECOND).date(): Came(int(count), (), float(gap))
        for day, count, gap in zip(days, counts, longest, strict=True)
    }


def measured_lag(late: tuple[int, ...], share: float) -> timedelta:
    """How much later than declared all but a share of facts came, at most: the end of their class.

    >>> measured_lag((90, 0, 0, 10), 0.01)
    datetime.timedelta(seconds=4)
    """
    counts = np.cumsum(late)
    index = int(np.searchsorted(counts, math.ceil((1 - share) * counts[-1])))
    return timedelta(0) if index == 0 else timedelta(seconds=2 ** (index - 1))


def state_of(source: Source, location: Location) -> str | None:
    """What changes when the location does; None where nothing says so."""
    kind = kind_of(source, location)
    if kind in ("sql", "function") or "://" in address(location):
        return None
    if kind == "delta":
        from deltalake import DeltaTable

        return f"version {DeltaTable(address(location)).version()}"
    return " ".join(f"{file.name} {file.stat().st_mtime_ns} {file.stat().st_size}" for file in _files(location))


def _files(location: Location) -> list[Path]:
    return matched(Path(address(location)))


def _changes(schema: Schema, now: pl.Schema) -> list[str]:
    """What a version was trained on and is not there any more as it was."""
    found = []
    for one in schema.fields:
        if one.name not in now:
            found.append(f"its column '{one.name}' is gone")
        elif (kind := _named(now[one.name])) != one.dtype and not _same(kind, one.dtype):
            found.append(f"its column '{one.name}' was {one.dtype} and is {kind}")
    return found


def _same(now: str, before: str) -> bool:
    """Whether values of two types need not differ: both numbers, or both moments."""
    numbers = ("Int", "UInt", "Float")
    return (now.startswith(numbers) and before.startswith(numbers)) or now.partition("(")[0] == before.partition("(")[0]


def _named(dtype: pl.DataType) -> str:
    try:
        return dtype_name(dtype)
    except DataError:
        return str(dtype)


def _hour(at: datetime) -> datetime:
    return utc(at).replace(minute=0, second=0, microsecond=0)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None or other > one else one
