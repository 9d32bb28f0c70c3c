"""What a contract says is scored and when, and what became of it the last time."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from outlast.project.contract import ScoringSection
from outlast.serving.files import Place, place_of
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import marks
from outlast.types import EPOCH, FORMAT, counted, duration, span, utc


@dataclass(frozen=True)
class Last:
    """What became of a table that was due: done, or not yet, and why."""

    due: datetime
    done: bool
    at: datetime
    version: int
    target: str
    sentence: str
    rows: int = 0
    seconds: float = 0.0

    @property
    def plain(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "due": self.due.isoformat(), "at": self.at.isoformat(), "format": FORMAT}

    @property
    def says(self) -> str:
        """What became of it, for people."""
        due = f"the last, due {self.due:%Y-%m-%d %H:%M} UTC"
        if not self.done:
            return f"{due}, is not scored: {self.sentence}"
        later = self.at - self.due
        return f"{due}: {counted(self.rows, 'row')} there after {span(later - later % timedelta(seconds=1))}"


def due_at(schedule: str, now: datetime) -> datetime:
    """The last moment up to now at which a table was due: each day at a time, or every so long, counted from 1970.

    >>> due_at("02:30", datetime(2013, 7, 2, 1)).isoformat(), due_at("6h", datetime(2013, 7, 2, 13)).isoformat()
    ('2013-07-01T02:30:00+00:00', '2013-07-02T12:00:00+00:00')
    """
    since, every = _beat(schedule)
    return since + (utc(now) - since) // every * every


def next_at(schedule: str, now: datetime) -> datetime:
    """The first moment after now at which a table is due."""
    return due_at(schedule, now) + _beat(schedule)[1]


def place_at(pattern: str, due: datetime, folder: Path) -> Place:
    """A place as the contract names it, seen from the project's folder."""
    named = pattern.replace("{date}", f"{due:%Y-%m-%d}").replace("{time}", f"{due:%H%M}")
    place = place_of(named)
    return folder / place if isinstance(place, Path) else place


def plan_says(plan: ScoringSection) -> str:
    """A schedule for people.

    >>> plan_says(ScoringSection(input="a.parquet", output="b.csv", schedule="02:30", deadline="2h"))
    'a.parquet into b.csv, daily at 02:30 UTC, within 2h'
    """
    when = f"daily at {plan.schedule} UTC" if ":" in str(plan.schedule) else f"every {plan.schedule}"
    return f"{plan.input} into {plan.output}, {when}{f', within {plan.deadline}' if plan.deadline else ''}"


def overdue(plan: ScoringSection, due: datetime, now: datetime) -> bool:
    """Whether answers that were due are later than they may be."""
    return plan.deadline is not None and utc(now) > due + duration(plan.deadline)


def last_of(ledger: Ledger, model: str) -> Last | None:
    """What became of the last table of a model that was due; None before the first."""
    with ledger.read() as connection:
        kept = connection.scalar(sa.select(marks.c.value).where(marks.c.name == _mark(model)))
    if kept is None:
        return None
    known = {name: value for name, value in kept.items() if name != "format"}
    moments = {name: datetime.fromisoformat(known[name]) for name in ("due", "at")}
    return Last(**{**known, **moments})


def note(connection: sa.Connection, model: str, last: Last) -> None:
    """Keep what became of a table, within the caller's transaction."""
    values = {"value": last.plain, "at": last.at}
    if not connection.execute(sa.update(marks).where(marks.c.name == _mark(model)).values(**values)).rowcount:
        connection.execute(sa.insert(marks).values(name=_mark(model), **values))


def _beat(schedule: str) -> tuple[datetime, timedelta]:
    if ":" not in schedule:
        return EPOCH, duration(schedule)
    hours, minutes = schedule.split(":")
    return EPOCH + timedelta(hours=int(hours), minutes=int(minutes)), timedelta(days=1)


def _mark(model: str) -> str:
    return f"scoring/{model}"
