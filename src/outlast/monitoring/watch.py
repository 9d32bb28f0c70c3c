"""Judging what was counted: each complete window, then the whole day, and raising what is found.

Judgement and alerts are written in one transaction, window by window in order of time, so a killed watch goes on
where it stopped and ends at the same findings and alerts.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from outlast.monitoring.counting import windows
from outlast.monitoring.counting.counts import Counts, merged
from outlast.monitoring.counting.windows import Hold, Key, starts_of, stored
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Bench, Effects, Finding, Scale, judge, measured_effects
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger

DAY = timedelta(days=1)
MEMORY = 28
"""Days of a version's own past that its design effects are measured on."""


def judge_pending(
    workspace: Workspace, model: str, *, now: datetime, subject: Callable[[int], Subject], hold: Hold
) -> tuple[int, int]:
    """Judge every complete window that has changed; returns how many were judged and how many alerts were raised."""
    past, judged, raised = _Past(workspace.ledger, model), 0, 0
    for (version, day), waiting in _days(windows.pending(workspace.ledger, model)):
        hold()
        done, alerts = _judge_day(workspace.ledger, subject(version), day, (waiting, past), now)
        judged, raised = judged + done, raised + alerts
    return judged, raised


def _judge_day(
    ledger: Ledger, subject: Subject, day: datetime, state: tuple[dict[datetime, bool], "_Past"], now: datetime
) -> tuple[int, int]:
    """Judge what waits in a day: windows that are complete, and with the last of them the day as a whole."""
    waiting, past = state
    found = stored(ledger, subject.model, subject.version, day, day + DAY)
    over = day + DAY <= now and all(window.ends_at <= now for window in found)
    fresh = [
        window
        for window in found
        if (over and window is found[-1])  # bears the day's findings
        or (window.starts_at in waiting and window.ends_at <= now and (over or not waiting[window.starts_at]))
    ]
    if not fresh:
        return 0, 0
    bench = _bench(subject, Effects() if subject.past is not None else past.effects(subject, day))
    whole = merged(window.counts for window in found) if over else None
    of_day = [] if whole is None else judge(whole, bench, "day")
    of, raised = (subject.model, subject.version), 0
    with ledger.write() as connection:
        for window in fresh:
            own = judge(window.counts, bench, "window")
            kept = [*_plain("window", own), *_plain("day", of_day if window is found[-1] else [])]
            windows.note_judged(connection, window, kept, done=over)
            scope = Scope(*of, "window", window.starts_at, window.ends_at, subject.sources)
            raised += raise_findings(connection, scope, own, subject.contract, now)
        scope = Scope(*of, "day", day, day + DAY, subject.sources)
        raised += raise_findings(connection, scope, of_day, subject.contract, now)
    return len(fresh), raised


def _plain(scale: Scale, findings: list[Finding]) -> list[dict[str, Any]]:
    return [{"scale": scale, **finding.plain()} for finding in findings]


def _bench(subject: Subject, effects: Effects) -> Bench:
    budget = subject.contract.monitoring.budget
    carried = subject.past is not None
    return Bench(subject.task, subject.profile, subject.summary, subject.cadence, budget, effects, carried)


def _days(waiting: list[tuple[Key, bool]]) -> Iterator[tuple[Key, dict[datetime, bool]]]:
    """What waits, by version and day, oldest day first."""

    def day_of(item: tuple[Key, bool]) -> tuple[datetime, int]:
        (version, start), _ = item
        return starts_of(start, DAY), version

    for (day, version), group in groupby(sorted(waiting, key=day_of), key=day_of):
        yield (version, day), {start: judged for (_, start), judged in group}


class _Past:
    """The days a version has behind it, read once."""

    def __init__(self, ledger: Ledger, model: str) -> None:
        self._ledger, self._model = ledger, model
        self._days: dict[Key, Counts | None] = {}

    def effects(self, subject: Subject, day: datetime) -> Effects:
        wanted = [(subject.version, day - back * DAY) for back in range(MEMORY, 0, -1)]
        missing = [start for key in wanted if key not in self._days for start in key[1:]]
        if missing:
            self._read(subject.version, missing)
        days = [self._days[key] for key in wanted]
        return measured_effects([counts for counts in days if counts is not None], subject.profile)

    def _read(self, version: int, days: list[datetime]) -> None:
        self._days |= {(version, day): None for day in days}
        found = stored(self._ledger, self._model, version, days[0], days[-1] + DAY)
        for day, group in groupby(found, key=lambda window: starts_of(window.starts_at, DAY)):
            self._days[version, day] = merged(window.counts for window in group)
