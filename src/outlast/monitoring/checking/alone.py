"""Where there is no reference: whether a version is wrong more often than it was before.

A bundle made before versions kept a past, or with too little of it, has nothing to be held against. Its newer answers
are compared with its own older ones (ADWIN), and a finding says that nothing else is known.
"""

from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.checking import remembered
from outlast.monitoring.counting.checks import Check
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.detecting import adaptive
from outlast.monitoring.detecting.adaptive import Change, Window
from outlast.monitoring.detecting.planning import Budget
from outlast.monitoring.judge import ASSUMED_EFFECT, Finding
from outlast.monitoring.subject import Subject
from outlast.types import counted, moment

LEAST = 1_000
"""Rows of a reference below which a version is watched by its own older answers too."""


def judged(subject: Subject, check: Check, window: Window | None) -> tuple[Window | None, list[Finding]]:
    """The window after a check, and what is found; without a window nothing is."""
    if window is None:
        return None, []
    mine = check.increments.get((subject.version, ""))
    if mine is None:
        return window, []
    rows, wrong = _wrong(subject, mine)
    monitoring, cadence = subject.contract.monitoring, int(subject.cadence.total_seconds())
    limit = Budget(monitoring.budget, monitoring.tickets, cadence).log_threshold("page")
    begin = int((check.at - subject.cadence).timestamp())
    after, change = adaptive.grown(window, rows, wrong, at=begin, log_threshold=limit, effect=ASSUMED_EFFECT)
    worse = change is not None and (subject.task == "regression" or change.now > change.before)
    return after, [_finding(subject, change, limit)] if change is not None and worse else []


def state_of(connection: sa.Connection, subject: Subject) -> Window | None:
    """Where a version's window was left; None of a version that has a reference."""
    if _rows(subject) >= LEAST:
        return None
    kept = remembered.read(connection, subject.model, _name(subject))
    return Window() if kept is None else adaptive.from_bytes(kept)


def keep(connection: sa.Connection, subject: Subject, window: Window | None, at: datetime) -> None:
    """Leave it there, within the caller's transaction."""
    if window is not None:
        remembered.put(connection, subject.model, _name(subject), adaptive.to_bytes(window), at)


def _wrong(subject: Subject, counts: Counts) -> tuple[int, float]:
    """How many outcomes became known, and how many speak against their prediction; of numbers, how many are not below.

    A correction that takes an outcome back, and brings none, changes neither.
    """
    if subject.task == "regression":
        above = counts.graded.sum(axis=0)
        rows, wrong = int(above.sum()), float(above[1])
    else:
        right = counts.moment("accuracy")
        rows, wrong = right.n, right.n - right.sum
    return rows, min(max(wrong, 0.0), max(rows, 0))


def _finding(subject: Subject, change: Change, limit: float) -> Finding:
    since = moment(change.since * 1_000_000)
    held = _rows(subject)
    known = f"the reference has only {counted(held, 'row')}" if held else "there is no reference"
    what = "outcomes are not below their prediction" if subject.task == "regression" else "answers are wrong"
    sentence = (
        f"{change.now:.1%} of {what} since {since:%Y-%m-%d %H:%M} UTC, {change.before:.1%} before "
        f"({counted(change.rows, 'row')}; {known}, so this is held against the version's own older answers)"
    )
    return Finding("error", None, "page", sentence, limit, since=since)


def _rows(subject: Subject) -> int:
    return 0 if subject.past is None else subject.past.rows


def _name(subject: Subject) -> str:
    return f"alone@{subject.version}"
