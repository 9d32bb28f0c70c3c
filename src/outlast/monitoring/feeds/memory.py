"""What is remembered of a source from look to look: how new it is, and how much came when, by hours and days.

Facts that were pushed are counted by when they came in, so that a day's volume and lateness are known when it is over.
Rows at a source's location say only when they became known, so they are counted by that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, micros, moment, utc

DAYS = 60
"""Days that are remembered, up to the last on which anything came."""
LAGS = 32
"""Classes of lateness: on time, then up to 1 s, 2 s, 4 s …; the last has no end."""

_T = tables.marks.c
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Came:
    """How many rows there were in some time, how many of them how late, and the longest stretch without any, in s."""

    rows: int = 0
    late: tuple[int, ...] = ()
    gap: float = 0.0

    def __add__(self, other: "Came") -> "Came":
        width = max(len(self.late), len(other.late))
        ours, theirs = (one + (0,) * (width - len(one)) for one in (self.late, other.late))
        late = tuple(a + b for a, b in zip(ours, theirs, strict=True))
        return Came(self.rows + other.rows, late, max(self.gap, other.gap))

    def to_json(self) -> list[Any]:
        return [self.rows, list(self.late), self.gap]

    @classmethod
    def from_json(cls, kept: list[Any]) -> "Came":
        rows, late, gap = kept
        return cls(rows, tuple(late), gap)


@dataclass(frozen=True)
class Memory:
    """What was seen of a source up to a moment."""

    at: datetime | None = None
    newest: datetime | None = None
    """When the newest fact became known, its lag included."""
    moves: int = 0
    """At how many looks the newest fact was another than at the look before: what never moves is no feed."""
    waits: Mapping[date, float] = field(default_factory=dict)
    """By the day of a move, how old the newest fact had become before it, in seconds: a table that is written once a
    night is a day old each night, whatever the gaps between its rows are."""
    place: str | None = None
    """What tells one state of the location from another, where something does."""
    read: datetime | None = None
    """When the location was read."""
    last: datetime | None = None
    """When the last fact was pushed."""
    hours: Mapping[datetime, Came] = field(default_factory=dict)
    """What was pushed, of hours that may still change."""
    pushed: Mapping[date, Came] = field(default_factory=dict)
    held: Mapping[date, Came] = field(default_factory=dict)
    """What lies at the location, by the day it became known."""
    broken: tuple[str, ...] = ()
    """Sentences on columns that are gone or of another type, or on why the location could not be read."""

    def oldest(self, now: datetime) -> datetime:
        """From when days are remembered: counted from the last thing that came, so that a feed which is silent is
        held against what it was before for as long as it is silent."""
        seen = [one for one in (self.newest, self.last) if one is not None]
        return min(utc(now), max(seen, default=utc(now))) - timedelta(days=DAYS)

    def days(self) -> dict[date, Came]:
        """Each day's rows: what was pushed, where anything ever was, else what lies at the location."""
        if not self.pushed and not self.hours:
            return dict(self.held)
        found = dict(self.pushed)
        for hour, came in self.hours.items():
            found[hour.date()] = found.get(hour.date(), Came()) + came
        first = min(found)
        return {day: came for day, came in self.held.items() if day < first} | found

    def folded(self, now: datetime) -> "Memory":
        """The same with hours that cannot change any more put to their days, and old days forgotten."""
        settled = utc(now) - timedelta(hours=26)
        over = {hour: came for hour, came in self.hours.items() if hour < settled}
        pushed = dict(self.pushed)
        for hour, came in over.items():
            pushed[hour.date()] = pushed.get(hour.date(), Came()) + came
        oldest = self.oldest(now).date()
        hours = {hour: came for hour, came in self.hours.items() if hour not in over}
        return replace(self, hours=hours, pushed=_since(pushed, oldest), held=_since(self.held, oldest),
                       waits={day: age for day, age in self.waits.items() if day >= oldest})  # fmt: skip


def remembered(ledger: Ledger, source: str) -> Memory:
    """What is remembered of a source; nothing of one that was never looked at."""
    with ledger.read() as connection:
        kept = connection.scalar(sa.select(_T.value).where(_T.name == _name(source)))
    return Memory() if kept is None else _read(kept)


def to_json(memory: Memory) -> dict[str, Any]:
    """A memory as it is kept."""
    return {
        "format": FORMAT,
        "at": _micros(memory.at),
        "newest": _micros(memory.newest),
        "moves": memory.moves,
        "waits": {day.isoformat(): age for day, age in sorted(memory.waits.items())},
        "place": memory.place,
        "read": _micros(memory.read),
        "last": _micros(memory.last),
        "hours": {str(micros(hour)): came.to_json() for hour, came in sorted(memory.hours.items())},
        "pushed": {day.isoformat(): came.to_json() for day, came in sorted(memory.pushed.items())},
        "held": {day.isoformat(): came.to_json() for day, came in sorted(memory.held.items())},
        "broken": list(memory.broken),
    }


def mark(source: str) -> str:
    """The name of the mark that a memory is kept under."""
    return _name(source)


def _read(kept: Mapping[str, Any]) -> Memory:
    pushed, held = (
        {date.fromisoformat(day): Came.from_json(came) for day, came in kept[name].items()}
        for name in ("pushed", "held")
    )
    hours = {moment(int(hour)): Came.from_json(came) for hour, came in kept["hours"].items()}
    names = ("at", "newest", "read", "last")
    at, newest, read, last = (None if kept[name] is None else moment(kept[name]) for name in names)
    waits = {date.fromisoformat(day): age for day, age in kept["waits"].items()}
    broken = tuple(kept.get("broken", ()))  # before it was kept, nothing was said of it here
    return Memory(at, newest, kept["moves"], waits, kept["place"], read, last, hours, pushed, held, broken)


def _since(days: Mapping[date, Came], oldest: date) -> dict[date, Came]:
    return {day: came for day, came in days.items() if day >= oldest}


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def _name(source: str) -> str:
    return f"feed/{source}"
