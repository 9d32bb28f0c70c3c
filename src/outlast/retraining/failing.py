"""Jobs that failed at their last tick: remembered until they no longer do, for who did not see the tick's exit code."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.counting.marks import put_mark, read_mark
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import marks
from outlast.types import micros, moment

_BEGIN = "failing/"


@dataclass(frozen=True)
class Failing:
    """A job, the model it is about (None: all), since when it fails without a break, and what it says."""

    job: str
    model: str | None
    since: datetime
    sentence: str


def failing(ledger: Ledger) -> list[Failing]:
    """Every job that failed when it was last run, the one that has failed longest first."""
    with ledger.read() as connection:
        rows = connection.execute(
            sa.select(marks.c.name, marks.c.value).where(marks.c.name.startswith(_BEGIN, autoescape=True))
        ).all()
    found = []
    for name, value in rows:
        job, model = name.removeprefix(_BEGIN).split("/", 1)
        found.append(Failing(job, None if model == "*" else model, moment(value["since"]), value["sentence"]))
    return sorted(found, key=lambda one: (one.since, one.job, one.model or ""))


def fails(ledger: Ledger, job: str, model: str | None, sentence: str, now: datetime) -> None:
    """Note that a job failed now."""
    name = _name(job, model)
    with ledger.write() as connection:
        before = read_mark(connection, name)
        since = micros(now) if before is None else before["since"]
        put_mark(connection, name, {"since": since, "sentence": sentence}, now)


def works(ledger: Ledger, job: str, model: str | None) -> None:
    """Note that a job that failed has not, this time."""
    with ledger.write() as connection:
        connection.execute(sa.delete(marks).where(marks.c.name == _name(job, model)))


def _name(job: str, model: str | None) -> str:
    return f"{_BEGIN}{job}/{model or '*'}"
