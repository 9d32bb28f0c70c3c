"""Judging a version: every check put to it, and the verdict kept."""

import logging
from collections.abc import Callable
from datetime import datetime

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import open_bundle
from outlast.errors import OutlastError
from outlast.gates.calibration import well_calibrated
from outlast.gates.case import Case
from outlast.gates.champion import no_worse
from outlast.gates.checks import contract_complete, data_sound, floors_held, no_leak, worth_having
from outlast.gates.deadline import in_time
from outlast.gates.reproducible import made_again
from outlast.gates.skew import answers_alike
from outlast.gates.slices import no_slice_worse
from outlast.gates.verdict import Check, Verdict, conclude, judged, keep
from outlast.project.workspace import Workspace
from outlast.registry.contracts import effective
from outlast.registry.declarations import folder_of
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find
from outlast.training.steps import Steps, Watcher
from outlast.types import ModelRef, clock_from

_log = logging.getLogger("outlast.gates")
_Question = Callable[[Case, datetime], Check]
CHECKS: dict[str, _Question] = {
    "contract": lambda case, _: contract_complete(case.contract, case.folder, case.candidate.task),
    "data": lambda case, _: data_sound(case.candidate.summary),
    "leakage": lambda case, _: no_leak(case.candidate.summary),
    "floors": lambda case, _: floors_held(case.contract, case.candidate.summary),
    "value": lambda case, _: worth_having(case.candidate.summary),
    "calibration": lambda case, _: well_calibrated(case),
    "champion": lambda case, _: no_worse(case),
    "slices": lambda case, _: no_slice_worse(case),
    "skew": lambda case, now: answers_alike(case.workspace, case.candidate, now=now),
    "latency": lambda case, now: in_time(case, now=now),
    "reproducible": lambda case, _: made_again(case),
}
"""What is asked, in order; a question that cannot be answered stands in the way as much as a no."""


def judge(workspace: Workspace, version: Version, *, now: datetime, watcher: Watcher | None = None) -> Verdict:
    """The verdict over a version, made now and stored."""
    steps, clock = Steps(watcher), clock_from(now)
    with steps.step("bundle"):
        bundle, checks = _unchanged(workspace, version)
    if bundle is not None:
        contract = effective(workspace.ledger, version.model, bundle.contract)
        champion = champion_of(workspace, version.model)
        case = Case(workspace, folder_of(workspace, version.model), contract, version, champion)
        for name, question in CHECKS.items():
            with steps.step(name):
                checks.append(_asked(name, question, case, clock()))
        checks = judged(checks, contract=contract.digest, champion=None if champion is None else champion.digest)
    verdict = conclude(version, checks, clock())
    keep(workspace.ledger, verdict)
    return verdict


def champion_of(workspace: Workspace, model: str) -> Version | None:
    """The live version, if there is one."""
    rollout = current(workspace.ledger, model)
    if rollout.live is None:
        return None
    return find(workspace.ledger, ModelRef(model, rollout.live))


def _unchanged(workspace: Workspace, version: Version) -> tuple[Bundle | None, list[Check]]:
    """Whether the bundle has the bytes that were registered: without them there is nothing to judge."""
    try:
        bundle = open_bundle(workspace, version.digest)
    except OutlastError as error:
        return None, [Check("bundle", False, f"{error}", {"digest": version.digest})]
    says = f"every one of its {len(bundle.files)} files has the bytes of its training"
    return bundle, [Check("bundle", True, says, {"digest": version.digest})]


def _asked(name: str, question: _Question, case: Case, now: datetime) -> Check:
    try:
        return question(case, now)
    except OutlastError as error:
        return _could_not(name, case, str(error))
    except Exception as error:  # noqa: BLE001 - both versions' code runs here, and may raise anything
        _log.exception("%s: the check '%s' of the gate could not be made", case.candidate, name)
        return _could_not(name, case, f"{type(error).__name__}: {error}")


def _could_not(name: str, case: Case, why: str) -> Check:
    if name in ("champion", "slices") and case.rival is not None:
        number = case.rival.number
        says = f"could not be compared with version {number} ({why}): mend that, or retire version {number} first"
        return Check(name, None, says)
    return Check(name, None, f"could not be said ({why}): mend that, then judge it again")
