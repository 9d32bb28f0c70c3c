"""The table that a contract wants scored: once each time it is due, and the owner told where it was not."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from outlast.errors import NotFound, OutlastError
from outlast.monitoring.counting.windows import Hold
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.contracts import contract_of
from outlast.registry.declarations import folder_of
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find
from outlast.serving.files import place_of
from outlast.serving.scoring.batch import Batch, Scored, score_file, tidy
from outlast.serving.scoring.planned import Last, due_at, last_of, next_at, note, overdue, place_at
from outlast.types import ModelRef, clock_from, counted, span

_SECOND = timedelta(seconds=1)
SCORING, LATE = "scoring", "scoring late"
"""The kinds of alerts: a table was not scored; it was not when it was needed."""


@dataclass
class _Holding:
    """Keeps the job's lease while the table is scored."""

    hold: Hold

    def total(self, rows: int) -> None:
        self.hold()

    def advance(self, rows: int) -> None:
        self.hold()


@dataclass(frozen=True)
class _Due:
    """A table that is due: of which version, since when, under which contract."""

    workspace: Workspace
    version: Version
    contract: Contract
    at: datetime

    @property
    def ref(self) -> ModelRef:
        return ModelRef(self.version.model, self.version.number)

    def keep(self, last: Last, *, finding: Finding | None = None) -> None:
        """Note what became of it, and whom to tell, in one transaction."""
        model, ends = self.version.model, next_at(self.contract.scoring.schedule or "1d", self.at)
        with self.workspace.ledger.write() as connection:
            note(connection, model, last)
            if finding is not None:
                scope = Scope(model, self.version.number, "window", self.at, ends)
                raise_findings(connection, scope, [finding], self.contract, last.at)


def score_due(workspace: Workspace, model: str, *, now: datetime, hold: Hold) -> tuple[bool, str]:
    """Score what is due by the live version, unless it is done; whether that was so, and a sentence."""
    live = current(workspace.ledger, model).live
    if live is None:
        return False, "nothing is live"
    version = find(workspace.ledger, ModelRef(model, live))
    contract = contract_of(workspace, version)
    plan, last = contract.scoring, last_of(workspace.ledger, model)
    if plan.schedule is None:
        return False, "its contract names no table"
    due = due_at(plan.schedule, now)
    if last is not None and last.done and last.due >= due:
        tidy(workspace, place_of(last.target))
        return False, f"done; the next is due {next_at(plan.schedule, now):%Y-%m-%d %H:%M}"
    return _scored(_Due(workspace, version, contract, due), now, hold)


def _scored(due: _Due, now: datetime, hold: Hold) -> tuple[bool, str]:
    plan, clock, begun = due.contract.scoring, clock_from(now), time.monotonic()
    assert plan.input is not None, "a schedule has an input"
    assert plan.output is not None, "a schedule has an output"
    folder = folder_of(due.workspace, due.version.model) or due.workspace.root
    source, target = (place_at(one, due.at, folder) for one in (plan.input, plan.output))
    if isinstance(target, Path) and not Path(plan.output).is_absolute():
        target.parent.mkdir(parents=True, exist_ok=True)
    batch = Batch(source, target, plan.facts, record=True, at=due.at, over=True)

    def done(found: Scored) -> None:
        last = Last(due.at, True, clock(), due.version.number, found.target, "", found.rows, time.monotonic() - begun)
        due.keep(last, finding=_late(due, last))

    try:
        return True, _said(score_file(due.workspace, due.ref, batch, _Holding(hold), done))
    except OutlastError as error:
        last = Last(due.at, False, clock(), due.version.number, str(target), error.sentence)
        late = overdue(plan, due.at, now)
        if isinstance(error, NotFound) and not late:
            due.keep(last)
            return False, f"waits since {due.at:%H:%M}: {error.sentence}"
        due.keep(last, finding=_failed(due, error.sentence, late=late))
        raise


def _failed(due: _Due, sentence: str, *, late: bool) -> Finding:
    says = f"the table due {due.at:%Y-%m-%d %H:%M} UTC is not scored: {sentence}"
    kind = LATE if late else SCORING
    return Finding(kind, f"{due.at:%Y-%m-%dT%H:%M}", "page" if late else "ticket", says, None)


def _late(due: _Due, last: Last) -> Finding | None:
    plan = due.contract.scoring
    if not overdue(plan, due.at, last.at):
        return None
    says = (
        f"the table due {due.at:%Y-%m-%d %H:%M} UTC was scored {span_of(due.at, last.at)} later, "
        f"and {plan.deadline} is the deadline"
    )
    return Finding(LATE, f"{due.at:%Y-%m-%dT%H:%M}", "ticket", says, None)


def _said(found: Scored) -> str:
    refused = f", {found.rungs['refused']:,} of them refused" if found.refused else ""
    before = f", {found.before:,} of them before it was broken off" if found.before else ""
    return f"scored {counted(found.rows, 'row')} into {Path(found.target).name}{before}{refused}"


def span_of(since: datetime, until: datetime) -> str:
    """The time between two moments, to the second."""
    length = until - since
    return span(length - length % _SECOND)
