"""Letting a version out: judged, its fresh values filled, then one transition."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from outlast.bundle import ingest
from outlast.bundle.predictor import open_bundle
from outlast.data.sources import reading
from outlast.errors import Refused, nearest
from outlast.gates.approving import evidence
from outlast.gates.verdict import Verdict
from outlast.journal.sources import sources_of
from outlast.project.workspace import Workspace
from outlast.registry.letting_out import SECONDS, Mark, letting_out
from outlast.registry.rollout import (
    ANSWERING,
    STAGES,
    Action,
    Asked,
    Rollout,
    current,
    kept_up,
    require_allowed,
    transition,
)
from outlast.registry.servable import lookups_of
from outlast.registry.versions import Version, find
from outlast.training.steps import Steps, Watcher
from outlast.types import Clock, ModelRef, clock_from

WAYS: dict[str, Action] = {"live": "promote", "advice": "advise", **{stage: stage for stage in STAGES}}
"""How a version can be let out, and the transition that does it."""


def promote(  # noqa: PLR0913 (who, why, when and how, all by name)
    workspace: Workspace,
    ref: ModelRef,
    *,
    by: str,
    reason: str,
    now: datetime,
    watcher: Watcher | None = None,
    to: str = "live",
    share: float | None = None,
) -> tuple[Rollout, Verdict]:
    """Let a version out, live or short of that, or say what stands in the way.

    Where the contract asks for approvals, a verdict that was approved is needed; else the version is judged now.
    """
    steps, clock, ledger = Steps(watcher), clock_from(now), workspace.ledger
    if to not in WAYS:
        raise Refused(f"{ref} cannot be promoted to '{to}': {nearest(to, WAYS)}")
    version = find(ledger, ref if ref.version is not None else ModelRef(ref.name, "latest"))
    before = require_allowed(ledger, version.model, Asked(WAYS[to], version.number, share))
    verdict = evidence(workspace, version, steps, now=now)
    asked = Asked(WAYS[to], version.number, share)
    return let_out(
        workspace, version, asked, verdict=verdict.digest, by=by, reason=reason, now=clock(), expected=before.sequence,
        watcher=watcher,
    ), verdict  # fmt: skip


def let_out(  # noqa: PLR0913 (who, why, when and how, all by name)
    workspace: Workspace,
    version: Version,
    asked: Asked,
    *,
    verdict: str,
    by: str,
    reason: str,
    now: datetime,
    expected: int,
    watcher: Watcher | None = None,
) -> Rollout:
    """Let a version out on a verdict that it passed: its fresh values filled, then one transition."""
    steps, clock = Steps(watcher), clock_from(now)
    with _protected(workspace, version, clock) as mark:
        with steps.step("fill fresh values"):
            fill_fresh(workspace, version, now=clock(), watcher=_Goes(mark))
        with steps.step("promote"):
            mark.renew()
            return transition(
                workspace.ledger,
                version.model,
                action=asked.action,
                to=version.number,
                by=by,
                reason=reason,
                verdict=verdict,
                share=asked.share,
                expected=expected,
                at=clock(),
            )


def roll_back(workspace: Workspace, model: str, *, by: str, reason: str, now: datetime) -> Rollout:
    """Take a challenger that answers away, else bring back the version that was live before.

    At once where its fresh values were kept up, else they are filled first. They were not where the rollback before
    this one made it the next: nothing was written for it for a while.
    """
    ledger, before, clock = workspace.ledger, current(workspace.ledger, model), clock_from(now)
    only_challenger = before.stage in ANSWERING

    def change() -> Rollout:
        to = before.live if only_challenger else before.previous
        return transition(
            ledger, model, action="rollback", to=to, by=by, reason=reason, expected=before.sequence, at=clock()
        )

    if only_challenger or before.previous is None or kept_up(ledger, model, before.previous):
        return change()
    version = find(ledger, ModelRef(model, before.previous))
    with _protected(workspace, version, clock) as mark:
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
