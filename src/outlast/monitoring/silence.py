"""A model that is live and is not asked any more: everything else is judged where something arrived.

How long it may go unasked follows from its own past: three times the longest it ever did in the weeks that are
remembered, at least two cadences. These end with the last question, so that the limit stands as long as the silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from outlast.journal.reading import predictions, refusals
from outlast.monitoring.counting.marks import mark, put_mark
from outlast.monitoring.counting.windows import starts_of
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.registry.rollout import transitions
from outlast.types import FORMAT, micros, moment, span, utc

KIND = "silence"
ENOUGH = 14
"""Days with questions from which a model is one that is usually asked."""
DAYS = 60
"""Days that are remembered, up to the last question."""
TIMES, CADENCES = 3, 2
"""How many times the longest gap, and how many cadences, a model goes unasked before it is told."""
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    """When a model was asked last, and by the days on which it was, the longest wait for one of their questions."""

    last: datetime
    waits: Mapping[date, float]

    def limit(self, cadence: timedelta) -> timedelta | None:
        """How long it may go unasked; None of a model that is not asked usually."""
        if len(self.waits) < ENOUGH:
            return None
        return max(CADENCES * cadence, TIMES * self.longest)

    @property
    def longest(self) -> timedelta:
        return timedelta(seconds=max(self.waits.values()))


def tell(workspace: Workspace, main: Subject, now: datetime) -> int:
    """Raise that a live model is not asked any more; how many alerts are new.

    Of a table that is scored by schedule the schedule tells, see `retraining.scoring`.
    """
    ledger, name = workspace.ledger, f"asked/{main.model}"
    before = _read(mark(ledger, name))
    asked = _since(workspace, main, before, utc(now))
    found = [] if asked is None or main.contract.scoring.schedule else _judged(workspace, main, asked, utc(now))
    if asked == before and not found:
        return 0
    day = starts_of(now, _DAY)
    with ledger.write() as connection:
        if asked is not None and asked != before:
            put_mark(connection, name, _plain(asked), now)
        return raise_findings(connection, Scope(main.model, main.version, "day", day, day + _DAY), found, main.contract,
                              now)  # fmt: skip


def _judged(workspace: Workspace, main: Subject, asked: Asked, now: datetime) -> list[Finding]:
    limit, live = asked.limit(main.cadence), _live_since(workspace, main.model)
    if limit is None or live is None or now - max(asked.last, live) <= limit:
        return []
    sentence = (
        f"{main.model} was not asked since {asked.last:%Y-%m-%d %H:%M} UTC, {_short(now - asked.last)} ago; in the "
        f"{DAYS} days before it was asked on {len(asked.waits)}, and never went unasked for longer than "
        f"{_short(asked.longest)}"
    )
    return [Finding(KIND, None, "ticket", sentence, None, since=asked.last)]


def _live_since(workspace: Workspace, model: str) -> datetime | None:
    """Since when some version of a model has been live without a break; None where none is."""
    found = None
    for one in reversed(transitions(workspace.ledger, model)):
        if one.to_version is None:
            break
        found = one.at
    return found


def _since(workspace: Workspace, main: Subject, before: Asked | None, now: datetime) -> Asked | None:
    """What is known of a model's questions, with those that came since: answered or refused, of whichever version."""
    since = None if before is None else before.last + timedelta(microseconds=1)
    # Within a stretch so short no wait is long enough to matter; that keeps millions of questions small.
    stretch = main.cadence // timedelta(microseconds=2)
    place = pl.col("at").dt.epoch("us")
    ends = [place.min().alias("first"), place.max().alias("last")]
    asked = [rows.select("at").filter(pl.col("at") <= now).group_by(place // stretch).agg(ends)
             for rows in (predictions(workspace, main.model, since, clock="at"),
                          refusals(workspace, main.model, since))]  # fmt: skip
    last = None if before is None else micros(before.last)
    waits: dict[date, float] = {} if before is None else dict(before.waits)
    found = pl.concat([rows.select("first", "last").collect() for rows in asked]).sort("first")
    for first, end in found.iter_rows():
        wait = 0.0 if last is None else max(0, first - last) / 1e6
        day = moment(first).date()
        waits[day] = max(wait, waits.get(day, 0.0))
        waits.setdefault(moment(end).date(), 0.0)
        last = end if last is None else max(last, end)
    if last is None:
        return None
    oldest = (moment(last) - DAYS * _DAY).date()
    return Asked(moment(last), {day: wait for day, wait in waits.items() if day > oldest})


def _plain(asked: Asked) -> dict[str, Any]:
    waits = {day.isoformat(): wait for day, wait in sorted(asked.waits.items())}
    return {"format": FORMAT, "last": micros(asked.last), "waits": waits}


def _read(kept: Any) -> Asked | None:
    if kept is None:
        return None
    return Asked(moment(kept["last"]), {date.fromisoformat(day): wait for day, wait in kept["waits"].items()})


def _short(length: timedelta) -> str:
    unit = _HOUR if length >= 2 * _DAY else timedelta(minutes=1)
    return span(max(unit, round(length / unit) * unit))
