"""Letting a version out: judged, its fresh values filled, then one transition."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from outlast.bundle import ingest
from outlast.bundle.predictor import open_bundle
from outlast.data.sources import reading
from outlast.errors import Refused
from outlast.gates.judge import judge
from outlast.gates.verdict import Verdict
from outlast.journal.sources import sources_of
from outlast.project.workspace import Workspace
from outlast.registry.letting_out import SECONDS, Mark, letting_out
from outlast.registry.rollout import Rollout, current, kept_up, transition
from outlast.registry.servable import lookups_of
from outlast.registry.versions import Version, find
from outlast.training.steps import Steps, Watcher
from outlast.types import Clock, ModelRef, clock_from


def promote(
    workspace: Workspace,
    ref: ModelRef,
    *,
    by: str,
    reason: str,
    now: datetime,
    watcher: Watcher | None = None,
) -> tuple[Rollout, Verdict]:
    """Make a version live, or say which checks stand in the way."""
    steps, clock = Steps(watcher), clock_from(now)
    version = find(workspace.ledger, ref if ref.version is not None else ModelRef(ref.name, "latest"))
    before = current(workspace.ledger, version.model).sequence
    with steps.step("judge"):
        verdict = judge(workspace, version, now=now)
    if not verdict.passed:
        said = "\n".join(f"  {check.name}: {check.says}" for check in verdict.failed)
        raise Refused(
            f"{version.model}@{version.number} may not go live, {len(verdict.failed)} of {len(verdict.checks)} "
            f"checks stand in the way:\n{said}",
            details={"failed": [check.name for check in verdict.failed], "verdict": verdict.digest},
        )
    with _protected(workspace, version, clock) as mark:
        with steps.step("fill fresh values"):
            fill_fresh(workspace, version, now=now, watcher=_Goes(mark))
        with steps.step("promote"):
            mark.renew()
            rollout = transition(
                workspace.ledger,
                version.model,
                action="promote",
                to=version.number,
                by=by,
                reason=reason,
                verdict=verdict.digest,
                expected=before,
                at=now,
            )
    return rollout, verdict


def roll_back(workspace: Workspace, model: str, *, by: str, reason: str, now: datetime) -> Rollout:
    """Bring back the version that was live before: at once where its fresh values were kept up, else filled first.

    They were not where the rollback before this one made it the next: nothing was written for it for a while.
    """
    ledger, before = workspace.ledger, current(workspace.ledger, model)

    def change() -> Rollout:
        return transition(
            ledger, model, action="rollback", to=before.previous, by=by, reason=reason, expected=before.sequence, at=now
        )

    if before.previous is None or kept_up(ledger, model, before.previous):
        return change()
    version = find(ledger, ModelRef(model, before.previous))
    with _protected(workspace, version, clock_from(now)) as mark:
        fill_fresh(workspace, version, now=now, watcher=_Goes(mark))
        mark.renew()
        return change()


def fill_fresh(
    workspace: Workspace,
    version: Version,
    *,
    now: datetime,
    watcher: ingest.Watcher | None = None,
    done: Collection[str] = (),
) -> dict[str, dict[str, int]]:
    """Bring the store of fresh values up to the sources' history for what a version reads, but for lookups `done`.

    Gives, by source, how many facts each of its lookups can still need.
    """
    wanted = [lookup for lookup in lookups_of(workspace, version.digest) if lookup.digest not in done]
    if not wanted:
        return {}
    filled: dict[str, dict[str, int]] = {}
    sources = sources_of(workspace, open_bundle(workspace, version.digest))
    for lookup in wanted:
        source = sources.named(lookup.lookup.source.name)
        with reading(source):
            history, engine = sources.frame(source), workspace.engine
            count = ingest.fill(workspace.fresh, lookup, history, now=now, watcher=watcher, engine=engine)
        filled.setdefault(source.name, {})[lookup.digest] = count
    return filled


@dataclass(frozen=True)
class _Goes:
    """Makes a version's protection last while its fill goes on."""

    mark: Mark

    def total(self, rows: int | None, of: str = "rows") -> None:
        self.mark.renew(at_least=SECONDS / 2)

    def advance(self, rows: int) -> None:
        self.mark.renew(at_least=SECONDS / 2)


def _protected(workspace: Workspace, version: Version, clock: Clock) -> AbstractContextManager[Mark]:
    lookups = {lookup.digest for lookup in lookups_of(workspace, version.digest)}
    return letting_out(workspace.ledger, version.model, version.number, lookups=lookups, clock=clock)
