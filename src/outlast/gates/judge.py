"""Judging a version: every check put to it, and the verdict kept."""

from datetime import datetime

from outlast.bundle.predictor import open_bundle
from outlast.gates.champion import Comparison, no_worse
from outlast.gates.checks import contract_complete, data_sound, floors_held, worth_having
from outlast.gates.skew import answers_alike
from outlast.gates.verdict import Verdict, conclude, judged, keep
from outlast.project.workspace import Workspace
from outlast.registry.contracts import effective
from outlast.registry.declarations import folder_of
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find
from outlast.types import ModelRef


def judge(workspace: Workspace, version: Version, *, now: datetime) -> Verdict:
    """The verdict over a version, made now and stored."""
    contract = effective(workspace.ledger, version.model, open_bundle(workspace, version.digest).contract)
    folder, champion = folder_of(workspace, version.model), champion_of(workspace, version.model)
    checks = [
        contract_complete(contract, folder, version.task),
        data_sound(version.summary),
        floors_held(contract, version.summary),
        worth_having(version.summary),
        no_worse(Comparison(workspace, folder, contract, version), champion),
        answers_alike(workspace, version, now=now),
    ]
    said = judged(checks, contract=contract.digest, champion=None if champion is None else champion.digest)
    verdict = conclude(version, said, now)
    keep(workspace.ledger, verdict)
    return verdict


def champion_of(workspace: Workspace, model: str) -> Version | None:
    """The live version, if there is one."""
    rollout = current(workspace.ledger, model)
    if rollout.live is None:
        return None
    return find(workspace.ledger, ModelRef(model, rollout.live))
