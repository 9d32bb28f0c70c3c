"""Closed checks put to the detectors, in order, and their alarms made into findings.

Counts are read, detectors step, findings are raised and all of it is remembered in one transaction, so that a killed
tick goes on where the last whole one ended and nothing that was judged is judged again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from outlast.data.profile import CELLS
from outlast.monitoring.checking import alone, labels, remembered
from outlast.monitoring.checking.accounts import cost_of, measure_open
from outlast.monitoring.checking.plans import Watch
from outlast.monitoring.checking.reference import streams_of
from outlast.monitoring.checking.words import ASKED, KINDS, LATELY, Told, column_of, reach, sentence, since_of
from outlast.monitoring.counting.checks import Check, judge_closed, period
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.windows import decided
from outlast.monitoring.detecting.bank import Alarm, State
from outlast.monitoring.detecting.streams import Severity
from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace

Ints = npt.NDArray[np.int64]
Hold = Callable[[], None]
Subjects = Callable[[int], Subject]


def judge_checks(
    workspace: Workspace, live: Subject, watch: Watch | None, *, subject: Subjects, now: datetime, hold: Hold
) -> tuple[int, int]:
    """Put every closed check to the live version's detectors; how many there were, and how many alerts are new."""
    checking = _Checking(workspace, live, now) if watch is None else _Watching(workspace, live, now, watch, subject)
    checks = judge_closed(workspace, live.model, checking.judge, now=now, hold=hold)
    if watch is None or not checks:
        return checks, checking.raised
    return checks, checking.raised + measure_open(workspace, watch, now=now, hold=hold)


@dataclass
class _Checking:
    """What is watched of every version: how labels come, and where there is no reference, whether errors rise."""

    workspace: Workspace
    subject: Subject
    now: datetime
    raised: int = field(default=0, init=False)

    def judge(self, connection: sa.Connection, checks: Sequence[Check]) -> None:
        """Step every detector through some checks."""
        days = labels.state_of(connection, self.subject)
        window = alone.state_of(connection, self.subject)
        step, keep = self._detectors(connection)
        for check in checks:
            days, late = labels.judged(self.subject, check, days)
            window, worse = alone.judged(self.subject, check, window)
            found = [*step(check), *late, *worse]
            if found:
                self._raise(connection, check, found)
        labels.keep(connection, self.subject, days, checks[-1].at)
        alone.keep(connection, self.subject, window, checks[-1].at)
        keep(checks[-1].at)

    def _detectors(self, _: sa.Connection) -> tuple[Callable[[Check], list[Finding]], Callable[[datetime], None]]:
        return (lambda _: []), (lambda _: None)

    def _raise(self, connection: sa.Connection, check: Check, findings: Sequence[Finding]) -> None:
        subject = self.subject
        begin = check.at - subject.cadence
        scope = Scope(subject.model, subject.version, "window", begin, check.at, subject.sources)
        self.raised += raise_findings(connection, scope, findings, subject.contract, self.now)


@dataclass
class _Watching(_Checking):
    """What is watched of a version that has a reference, too."""

    watch: Watch
    opened: Subjects
    _places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def _detectors(
        self, connection: sa.Connection
    ) -> tuple[Callable[[Check], list[Finding]], Callable[[datetime], None]]:
        """Every bank from where it was left, and how it is left again."""
        model = self.subject.model
        states = {bank.severity: remembered.state_of(connection, model, bank) for bank in self.watch.plan.banks}

        def step(check: Check) -> list[Finding]:
            found, alarms = self._stepped(states, check)
            states.update(found)
            return [self._finding(alarm, check) for alarm in alarms]

        def keep(at: datetime) -> None:
            for bank in self.watch.plan.banks:
                remembered.keep(connection, model, bank, states[bank.severity], at)

        return step, keep

    def _stepped(self, states: Mapping[Severity, State], check: Check) -> tuple[dict[Severity, State], list[Alarm]]:
        watched = self.watch.watched
        begin = int((check.at - watched.cadence).timestamp())
        version = self.watch.subject.version
        mine = check.increments.get((version, ""), Counts.none(watched.profile.names))
        by_version = {version: counts for (version, slice_), counts in check.increments.items() if not slice_}
        counts = watched.counts(mine, begin, self._features(by_version))
        found: dict[Severity, State] = {}
        alarms: list[Alarm] = []
        for bank in self.watch.plan.banks:
            found[bank.severity], told = bank.step(states[bank.severity], counts, begin)
            alarms += told
        return found, alarms

    def _features(self, by_version: Mapping[int, Counts]) -> Ints:
        """The features' cells over every version that answered, as far as they are the same features."""
        found = np.zeros((len(self.watch.watched.names), CELLS), np.int64)
        for version, counts in by_version.items():
            for here, there in self._shared(version):
                found[here] += counts.cells[there]
        return found

    def _shared(self, version: int) -> list[tuple[int, int]]:
        """Places of features that this version and the watched one compute alike, into the same bins."""
        if version not in self._places:
            other = self.opened(version)
            theirs = list(streams_of(other.profile, other.digests).values())
            mine = list(self.watch.watched.names.values())
            self._places[version] = [(mine.index(name), place) for place, name in enumerate(theirs) if name in mine]
        return self._places[version]

    def _finding(self, alarm: Alarm, check: Check) -> Finding:
        told = self._told(alarm, check)
        column, kind = column_of(told), KINDS[alarm.family]
        return Finding(
            kind,
            column,
            alarm.severity,
            sentence(told),
            alarm.log_evidence,
            since=told.since,
            harm=self._harm(told, check.at),
            source=self.watch.subject.sources.get(column or ""),
            reach=reach(told),
            against="course" if kind == "feature-jump" else "accepted" if told.accepted else "promotion",
        )

    def _told(self, alarm: Alarm, check: Check) -> Told:
        """An alarm with everything that came from its onset to this check."""
        watched, subject = self.watch.watched, self.watch.subject
        begin = since_of(alarm)
        found = {
            version: self._between(version, begin, check.at)
            for version in sorted({version for version, _ in check.increments} | {subject.version})
        }
        mine = found.get(subject.version) or Counts.none(watched.profile.names)
        lately = None
        if alarm.family == "jumps":
            before = {version: self._between(version, begin - LATELY, begin) for version in found}
            lately = self._features({v: c for v, c in before.items() if c is not None})
        return Told(alarm, watched, mine, self._features({v: c for v, c in found.items() if c is not None}), lately)

    def _between(self, version: int, begin: datetime, end: datetime) -> Counts | None:
        return period(self.workspace.ledger, self.watch.subject.model, version, "", begin, end)

    def _harm(self, told: Told, at: datetime) -> Harm | None:
        """What it costs; what is asked otherwise can have cost nothing before, so there only later decisions count."""
        begin, subject, counts = since_of(told.alarm), self.watch.subject, told.counts
        if told.alarm.family in ASKED:
            later = decided(self.workspace.ledger, subject.model, subject.version, begin, at)
            counts = later or Counts.none(subject.profile.names)
        return cost_of(self.watch, counts, at - begin)
