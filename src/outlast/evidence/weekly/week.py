"""What is known of a model's week, read once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from outlast.errors import RequestError
from outlast.journal.strays import Strays, last_count
from outlast.monitoring.counting.counts import Counts, merged
from outlast.monitoring.counting.windows import Window, starts_of, stored
from outlast.monitoring.figures import METRICS, Figure, Figures, figures
from outlast.monitoring.incidents.incident import Event, Incident
from outlast.monitoring.incidents.reading import incidents, timeline
from outlast.monitoring.report import MAIN
from outlast.monitoring.sliced import SliceFigures, of_slices
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.telling.alerts import Alert, alerts
from outlast.monitoring.value.adoption import adoption
from outlast.monitoring.value.earned import money
from outlast.monitoring.value.told import Adoption, Money
from outlast.project.workspace import Workspace
from outlast.registry.rollout import Rollout, Transition, current, transitions
from outlast.registry.rollout.reading import previous
from outlast.registry.versions import Version, find
from outlast.retraining.deciding.records import Decision, decisions
from outlast.storage.ledger import Ledger
from outlast.types import EPOCH, ModelRef, utc

WEEK, DAY = timedelta(days=7), timedelta(days=1)
BEFORE = 8
"""Weeks that pictures show."""


@dataclass(frozen=True)
class Week:
    """Seven days of a model up to `until`, and what stands beside them."""

    model: str
    since: datetime
    until: datetime
    version: Version
    """What answered most in the week; where nothing did, what was live at its end, or the newest."""
    subject: Subject
    rollout: Rollout
    """As it was when the week ended."""
    live: int | None
    """What is live today."""
    changes: tuple[Transition, ...]
    loop: tuple[Decision, ...]
    answers: int
    by_version: Mapping[int, int]
    """How many of the answers each version gave, the one with most first."""
    rungs: Mapping[str, int]
    warned: int
    found: Figures | None
    """The figures of `version` in the week; None where it answered nothing."""
    before: Figures | None
    quality: tuple[tuple[datetime, Figure], ...]
    """The main metric of each of the last weeks."""
    money: Money
    past: Money
    """The same over the last weeks, for the picture."""
    adoption: Adoption
    labels: Strays | None
    incidents: tuple[tuple[Incident, Event], ...]
    """Those that were open in the week, each with the newest line of its timeline."""
    waiting: tuple[Alert, ...]
    """What could not be delivered."""
    slices: tuple[SliceFigures, ...] = ()
    """Of `version`, what the contract declares; what gains least first."""

    @property
    def metric(self) -> str:
        return MAIN[self.subject.task]

    @property
    def last(self) -> datetime:
        """The last day."""
        return self.until - DAY

    @property
    def open(self) -> int:
        """How many incidents were open when the week ended."""
        return sum(one.closed_at is None or one.closed_at >= self.until for one, _ in self.incidents)


def week(workspace: Workspace, model: str, *, until: datetime, now: datetime) -> Week:
    """The week of NAME that ends with a moment; whole days, so that weeks can be laid beside each other."""
    ledger, name = workspace.ledger, ModelRef.parse(model).name
    ends = starts_of(utc(until), DAY)
    if ends - EPOCH < (BEFORE + 1) * WEEK:
        raise RequestError(f"No week that ends with {until.date()} can be told of: name a later day")
    since = ends - WEEK
    subjects: dict[int, Subject] = {}

    def subject(number: int) -> Subject:
        if number not in subjects:
            subjects[number] = open_subject(workspace, name, number)
        return subjects[number]

    past = stored(ledger, name, None, ends - BEFORE * WEEK, ends)
    here = [window for window in past if window.starts_at >= since]
    by_version, then, today = _by_version(here), _rollout(ledger, name, ends), current(ledger, name)
    version = find(ledger, ModelRef(name, next(iter(by_version), then.live)))
    main = subject(version.number)
    mine = [window for window in past if window.version == version.number]
    currency = main.contract.value.currency

    def promise(number: int) -> object:
        return subject(number).summary.get("value")

    return Week(
        name, since, ends, version, main, then, today.live,
        tuple(one for one in transitions(ledger, name) if since <= one.at < ends),
        tuple(one for one in decisions(ledger, name, since=since) if one.at < ends),
        sum(by_version.values()), by_version, *_how(here),
        _figures(mine, since, ends, main), _figures(mine, since - WEEK, since, main), tuple(_quality(mine, ends, main)),
        money(here, promise, currency), money(past, promise, currency),  # type: ignore[arg-type]
        adoption(workspace, name, lambda n: subject(n).terms, main.contract.value.groups, (since, ends), now),
        last_count(ledger).get(name), tuple(_incidents(workspace, name, since, ends)),
        tuple(one for one in alerts(ledger, name, waiting=True) if one.attempts),
        tuple(of_slices(ledger, main, MAIN[main.task], since, ends)),
    )  # fmt: skip


def _by_version(windows: list[Window]) -> dict[int, int]:
    found = Counter[int]()
    for window in windows:
        found[window.version] += window.counts.rows
    return {version: rows for version, rows in found.most_common() if rows}


def _how(windows: list[Window]) -> tuple[dict[str, int], int]:
    """By which rungs answers came, of whichever version, and how many of them with warnings."""
    rungs = Counter[str]()
    for window in windows:
        rungs.update(window.counts.named("rung"))
    return dict(rungs.most_common()), sum(window.counts.tally("warned") for window in windows)


def _rollout(ledger: Ledger, model: str, until: datetime) -> Rollout:
    """What was live, and beside it, at a moment."""
    steps = transitions(ledger, model)
    done = [one for one in steps if one.at < until]
    if len(done) == len(steps):
        return current(ledger, model)
    if not done:
        return Rollout(model, None, None, 0, until)
    last = done[-1]
    return Rollout(model, last.to_version, previous(done), last.sequence, last.at, last.advice, last.challenger,
                   last.stage, last.share)  # fmt: skip


def _counts(windows: list[Window], since: datetime, until: datetime) -> Counts | None:
    found = merged(window.counts for window in windows if since <= window.starts_at < until)
    return found if found is not None and found.rows else None


def _figures(windows: list[Window], since: datetime, until: datetime, subject: Subject) -> Figures | None:
    counts = _counts(windows, since, until)
    return None if counts is None else figures(counts, subject.profile, subject.task)


def _quality(windows: list[Window], until: datetime, subject: Subject) -> list[tuple[datetime, Figure]]:
    metric, found = METRICS[subject.task][MAIN[subject.task]], []
    for back in range(BEFORE, 0, -1):
        start = until - back * WEEK
        counts = _counts(windows, start, start + WEEK)
        if counts is not None:
            found.append((start, metric(counts)))
    return found


def _incidents(workspace: Workspace, model: str, since: datetime, until: datetime) -> list[tuple[Incident, Event]]:
    open_then = [one for one in incidents(workspace.ledger, model, since=since) if one.since < until]
    return [(one, timeline(workspace.ledger, one.id)[-1]) for one in open_then]
