"""Whether labels come as they came before: a day's decisions that matured, against those of the four weeks before.

What of a check's matured decisions had a label, and what had one by half of the time, is counted as it arrives, see
`counting.increments`. Days differ, by weekday and by weather, so a day is held against how far days lay apart before.
"""

import math
from collections.abc import Callable
from datetime import datetime

import msgspec
import sqlalchemy as sa

from outlast.monitoring import evidence
from outlast.monitoring.checking import remembered
from outlast.monitoring.counting.checks import Check
from outlast.monitoring.counting.increments import ARRIVALS
from outlast.monitoring.judge import Finding
from outlast.monitoring.subject import Subject
from outlast.storage import formats
from outlast.types import FORMAT, moment, span

MEMORY, ENOUGH_DAYS = 28, 7
"""Days that a day is held against, and from how many on."""
ENOUGH = 50
"""Decisions or labels of a day below which it is not held against others."""
MARGIN = 0.02
"""By so much the share may differ without being told."""
_DAY = 86_400_000_000


class Day(msgspec.Struct, frozen=True, array_like=True):
    """What came in a day: its number since 1970, decisions that matured, those with a label by then, those with one by
    half of the time, and how many labels came for any decision."""

    number: int
    due: int = 0
    here: int = 0
    soon: int = 0
    came: int = 0


class Days(msgspec.Struct, frozen=True):
    """The newest days, the last of which goes on."""

    days: tuple[Day, ...] = ()
    format: int = FORMAT


_DECODE = msgspec.msgpack.Decoder(Days).decode


def judged(subject: Subject, check: Check, state: Days) -> tuple[Days, list[Finding]]:
    """The days after a check, and what is found when a day is over."""
    arrived, mine = (check.increments.get((subject.version, place)) for place in (ARRIVALS, ""))
    due, here, soon = (0 if arrived is None else arrived.tally(name) for name in ("due", "here", "soon"))
    came = 0 if mine is None else mine.tally("labelled") + mine.tally("early")
    begin = check.at - subject.cadence
    number = int(begin.timestamp() * 1_000_000) // _DAY
    days = list(state.days)
    found: list[Finding] = []
    if not days or days[-1].number < number:
        found = over(days, subject, number)
        days.append(Day(number))
    last = days.pop()
    days.append(Day(last.number, last.due + due, last.here + here, last.soon + soon, last.came + came))
    return Days(tuple(days[-MEMORY - 1 :])), found


def over(days: list[Day], subject: Subject, number: int) -> list[Finding]:
    """What is found in the newest of some days, once the day of this number has begun."""
    if not days or days[-1].number >= number:
        return []
    day = days[-1]
    before = [one for one in days[:-1] if one.number >= day.number - MEMORY]
    found = _none(day, before) or _otherwise(day, before, subject)
    return [] if found is None else [found]


def _none(day: Day, before: list[Day]) -> Finding | None:
    """No label at all, after a week in which each day had some."""
    week = [one for one in before if one.number >= day.number - ENOUGH_DAYS]
    if day.came > 0 or len(week) < ENOUGH_DAYS or min(one.came for one in week) < ENOUGH:
        return None
    usual = sum(one.came for one in week) // len(week)
    return _finding(f"no label came on {_date(day)}; on each of the {len(week)} days before about {usual:,} came", day)


def _otherwise(day: Day, before: list[Day], subject: Subject) -> Finding | None:
    """The first share that differs by more than the margin, chance, and what days differ by."""
    known = [one for one in before if one.due >= ENOUGH]
    if day.due < ENOUGH or len(known) < ENOUGH_DAYS:
        return None
    limit = evidence.threshold(4 * 365, subject.contract.monitoring.tickets)
    beyond = ((_beyond(day, known, its), its) for its in (_here, _soon))
    first = next(((*found, its) for found, its in beyond if found[0] > limit), None)
    if first is None:
        return None
    deviation, usual, its = first
    maturity = subject.terms.maturity
    now, age = its(day) / day.due, maturity if its is _here else maturity / 2
    word = "sooner" if now > usual else "later, or not at all" if its is _here else "later"
    return _finding(
        f"labels come {word}: of {day.due:,} decisions that matured on {_date(day)}, {now:.1%} had a label after "
        f"{span(age)}, on the {len(known)} days before {usual:.1%} "
        f"({deviation:.1f} standard errors beyond chance and margin)",
        day,
        deviation,
    )


def _beyond(day: Day, before: list[Day], hits: Callable[[Day], int]) -> tuple[float, float]:
    """Standard errors by which a share differs from that of the days before beyond the margin; and theirs."""
    rows, total = sum(one.due for one in before), sum(hits(one) for one in before)
    usual = (total + 1) / (rows + 2)
    variance = usual * (1 - usual)
    effect = evidence.design_effect([hits(one) / one.due for one in before], [one.due for one in before], variance)
    error = math.sqrt(variance * effect * (1 / day.due + 1 / rows))
    return (abs(hits(day) / day.due - usual) - MARGIN) / error, total / rows


def _here(day: Day) -> int:
    return day.here


def _soon(day: Day) -> int:
    return day.soon


def _date(day: Day) -> str:
    return f"{moment(day.number * _DAY):%Y-%m-%d}"


def _finding(sentence: str, day: Day, deviation: float | None = None) -> Finding:
    return Finding("label-arrival", None, "ticket", sentence, deviation, since=moment(day.number * _DAY))


def state_of(connection: sa.Connection, subject: Subject) -> Days:
    """What is remembered of the days of a version."""
    kept = remembered.read(connection, subject.model, _name(subject))
    if kept is None:
        return Days()
    return formats.read(_DECODE, kept, "What is remembered of labels", mend="remove it to begin anew")


def keep(connection: sa.Connection, subject: Subject, state: Days, at: datetime) -> None:
    """Remember it, within the caller's transaction."""
    remembered.put(connection, subject.model, _name(subject), msgspec.msgpack.encode(state), at)


def _name(subject: Subject) -> str:
    return f"labels@{subject.version}"
