"""What is wrong with a feed: its columns, how old it is, how much of it came yesterday, and how late."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from outlast.monitoring.feeds.looking import Look, measured_lag
from outlast.monitoring.feeds.memory import Came
from outlast.monitoring.judge import Finding
from outlast.types import counted, span, utc

BROKEN, STALE, VOLUME, LATE = "feed-broken", "feed-stale", "feed-volume", "feed-late"
ENOUGH = 14
"""Days of a feed's past from which its usual volume and gaps are known."""
MOVES = 5
"""Looks that found something newer, from which it is known how long that takes."""
SHARE = 0.01
"""Of a day's facts, how many may come later than the declared lag."""
ROWS = 100
"""Facts of a day below which no share is judged."""
BEYOND = 6.0
"""Robust standard deviations of log volume: a normal day exceeds them once in 500 million."""
LEAST = 0.1
"""The least such deviation that is believed: a feed of equal days would else speak of every row."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    """How old a feed may be, and whether the contract says so or its own past does."""

    age: timedelta
    declared: bool


def limit_of(look: Look, declared: timedelta | None) -> Limit | None:
    """The contract's limit; else twice the longest wait for something newer in the feed's own past, between facts or
    for them to be written, once that past is long enough."""
    if declared is not None:
        return Limit(declared, True)
    memory = look.memory
    days = memory.days()
    if len(days) < ENOUGH or memory.moves < MOVES:
        return None
    return Limit(2 * timedelta(seconds=max(*(came.gap for came in days.values()), *memory.waits.values())), False)


def judge_feed(look: Look, declared: timedelta | None, now: datetime) -> list[Finding]:
    """Everything that is wrong with a feed now."""
    return [*_broken(look), *_stale(look, limit_of(look, declared), now), *_volume(look, now), *_late(look, now)]


def usual(days: Mapping[date, Came], day: date) -> tuple[float, float] | None:
    """The median of a day's rows, of its weekday where four are known, and the spread of their logarithm."""
    past = {one: came.rows for one, came in days.items() if one < day}
    if len(past) < ENOUGH:
        return None
    same = [rows for one, rows in past.items() if one.weekday() == day.weekday()]
    of = same if len(same) >= 4 else list(past.values())
    centre = median(of)
    spread = 1.4826 * median(abs(math.log1p(rows) - math.log1p(centre)) for rows in of)
    return centre, max(spread, LEAST)


def _broken(look: Look) -> list[Finding]:
    return [
        Finding(BROKEN, look.source.name, "page", f"{look.source.name}: {said}", None) for said in look.memory.broken
    ]


def _stale(look: Look, limit: Limit | None, now: datetime) -> list[Finding]:
    newest = look.memory.newest
    if limit is None or newest is None or utc(now) - newest <= limit.age:
        return []
    said = (
        f"the contract allows {span(limit.age)}"
        if limit.declared
        else f"twice the longest wait of its last {len(look.memory.days())} days is {_short(limit.age)}"
    )
    since = f"{newest:%Y-%m-%d %H:%M} UTC, {_short(utc(now) - newest)} ago"
    sentence = f"{look.source.name} has nothing newer than {since}; {said}"
    return [Finding(STALE, look.source.name, "page" if limit.declared else "ticket", sentence, None)]


def _volume(look: Look, now: datetime) -> list[Finding]:
    """Yesterday against the days before it."""
    days, day = look.memory.days(), utc(now).date() - _DAY
    known = usual(days, day)
    newest = look.memory.newest
    if known is None or look.memory.moves < MOVES or newest is None or newest.date() <= day:
        return []  # what has not been written yet is not missing from it
    centre, spread = known
    rows = days.get(day, Came()).rows
    deviation = (math.log1p(rows) - math.log1p(centre)) / spread
    if abs(deviation) <= BEYOND:
        return []
    sentence = (
        f"{look.source.name} had {counted(rows, 'row')} on {day}, and {centre:,.0f} are usual on such a day "
        f"({abs(deviation):.0f} robust deviations {'more' if deviation > 0 else 'fewer'})"
    )
    return [Finding(VOLUME, look.source.name, "ticket", sentence, abs(deviation))]


def _late(look: Look, now: datetime) -> list[Finding]:
    """Facts pushed yesterday that came later than their time and the declared lag say."""
    came = look.memory.days().get(utc(now).date() - _DAY, Came())
    total = sum(came.late)
    late = sum(came.late[1:])
    if total < ROWS or late <= SHARE * total:
        return []
    source, needed = look.source, look.source.delay + measured_lag(came.late, SHARE)
    sentence = (
        f"{source.name}: {late:,} of {total:,} facts of {utc(now).date() - _DAY} came later than its lag of "
        f"{source.lag} says; {_short(needed)} would hold for all but {SHARE:.0%}"
    )
    return [Finding(LATE, source.name, "ticket", sentence, None)]


def _short(length: timedelta) -> str:
    """A length of time without what nobody asks for."""
    unit = timedelta(hours=1) if length >= 2 * _DAY else timedelta(minutes=1) if length >= timedelta(hours=1) else None
    return span(timedelta(seconds=round(length.total_seconds())) if unit is None else round(length / unit) * unit)
