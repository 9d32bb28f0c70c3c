"""Letting a version out: judged, its fresh values filled, then one transition."""

from datetime import datetime

from outlast.bundle import ingest
from outlast.bundle.lookups import read_back
from outlast.bundle.predictor import open_bundle
from outlast.data.schema import from_json
from outlast.data.sources import reading
from outlast.errors import Refused
from outlast.gates.champion import Comparison, no_worse
from outlast.gates.checks import contract_complete, data_sound, floors_held, worth_having
from outlast.gates.skew import answers_alike
from outlast.gates.verdict import Verdict, conclude, keep
from outlast.journal.sources import sources_of
from outlast.project.workspace import Workspace
from outlast.registry.contracts import effective
from outlast.registry.declarations import folder_of
from outlast.registry.rollout import Rollout, current, transition
from outlast.registry.versions import Version, find
from outlast.training.steps import Steps, Watcher
from outlast.types import ModelRef


def judge(workspace: Workspace, version: Version, *, now: datetime) -> Verdict:
    """The verdict over a version, made now and stored."""
    contract = effective(workspace.ledger, version.model, open_bundle(workspace, version.digest).contract)
    folder = folder_of(workspace, version.model)
    checks = [
        contract_complete(contract, folder, version.task),
        data_sound(version.summary),
        floors_held(contract, version.summary),
        worth_having(version.summary),
        no_worse(Comparison(workspace, folder, contract, version), champion_of(workspace, version.model)),
        answers_alike(workspace, version, now=now),
    ]
    verdict = conclude(version, checks, now)
    keep(workspace.ledger, verdict)
    return verdict


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
    steps = Steps(watcher)
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
    with steps.step("fill fresh values"):
        fill_fresh(workspace, version, now=now)
    with steps.step("promote"):
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


def fill_fresh(
    workspace: Workspace, version: Version, *, now: datetime, watcher: ingest.Watcher | None = None
) -> dict[str, int]:
    """Bring the store of fresh values up to the sources' history for what a version reads; facts by source."""
    bundle = open_bundle(workspace, version.digest)
    if not bundle.manifest["lookups"]:
        return {}
    sources = sources_of(workspace, bundle)
    schemas = {name: from_json(source["schema"]) for name, source in bundle.manifest["sources"].items()}
    filled: dict[str, int] = {}
    for one in bundle.manifest["lookups"]:
        lookup = read_back(one, schemas)
        source = sources.named(lookup.lookup.source.name)
        with reading(source):
            count = ingest.fill(workspace.fresh, lookup, sources.frame(source), now=now, watcher=watcher)
        filled[source.name] = filled.get(source.name, 0) + count
    return filled


def champion_of(workspace: Workspace, model: str) -> Version | None:
    """The live version, if there is one."""
    rollout = current(workspace.ledger, model)
    if rollout.live is None:
        return None
    return find(workspace.ledger, ModelRef(model, rollout.live))
