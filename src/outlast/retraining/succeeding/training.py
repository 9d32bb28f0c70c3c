"""One run: the project trained on its period, the version judged, and what came of it written in one transaction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from outlast.errors import NotFound, OutlastError
from outlast.gates.judge import judge
from outlast.gates.verdict import Verdict
from outlast.project.contract import Contract
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.contracts import contract_of
from outlast.registry.declarations import require_folder_of
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find
from outlast.retraining.deciding.records import Step, note
from outlast.retraining.succeeding.state import Candidate, Run, Standing, stand, standing_in
from outlast.training.run import train
from outlast.training.steps import Watcher
from outlast.types import ModelRef, clock_from, digest_of


def succeed(workspace: Workspace, model: str, run: Run, *, watcher: Watcher | None = None) -> Step:
    """Train and judge a successor; what came of it, recorded, unless another attempt has taken over."""
    clock = clock_from(run.at)
    try:
        version = trained(workspace, model, run, watcher)
        step, candidate = _judged(workspace, version, run, watcher, clock)
    except OutlastError as error:
        step, candidate = Step("failed", f"no successor could be trained: {error.sentence}", run.trigger), None
    conclude(workspace, model, run, step, candidate, clock())
    return step


def conclude(workspace: Workspace, model: str, run: Run, step: Step, candidate: Candidate | None, at: datetime) -> bool:
    """Write what came of a run; False where it is not this attempt's to say any more."""
    with workspace.ledger.write() as connection:
        now = standing_in(connection, model).run
        if now is None or (now.id, now.attempt) != (run.id, run.attempt):
            return False
        stand(connection, model, Standing(candidate=candidate), at)
        note(connection, model, step, at)
    return True


def trained(workspace: Workspace, model: str, run: Run, watcher: Watcher | None = None) -> Version:
    """The same run as by hand, on the loop's period."""
    folder = require_folder_of(workspace, model)
    project = load_project(folder, workspace)
    if project.model.name != model:
        raise NotFound(
            f"The project in {folder} declares model '{project.model.name}' now, and not '{model}': put that one there"
        )
    return train(replace(project, period=run.period), by=run.by, now=run.at, watcher=watcher).version


def _judged(
    workspace: Workspace, version: Version, run: Run, watcher: Watcher | None, clock: Callable[[], datetime]
) -> tuple[Step, Candidate | None]:
    live = current(workspace.ledger, version.model).live
    if live is not None and find(workspace.ledger, ModelRef(version.model, live)).digest == version.digest:
        says = f"training gave the bytes of what is live, version {live}: nothing to let out"
        return Step("refused", says, run.trigger, version.number), None
    verdict = judge(workspace, version, now=clock(), watcher=watcher)
    numbers = {"verdict": verdict.digest, "failed": {check.name: check.says for check in verdict.failed}}
    if not verdict.passed:
        return Step("refused", _why_not(version, verdict), run.trigger, version.number, numbers=numbers), None
    gate = gate_digest(contract_of(workspace, version))
    says = f"{version} passed all {len(verdict.checks)} checks, verdict {verdict.digest[:12]}"
    candidate = Candidate(version.number, verdict.digest, gate, run.trigger, clock())
    return Step("passed", says, run.trigger, version.number, numbers=numbers), candidate


def gate_digest(contract: Contract) -> str:
    """What tells one section [gate] from another: a verdict by another one has to be made again."""
    return digest_of(contract.gate.model_dump(mode="json"))


def _why_not(version: Version, verdict: Verdict) -> str:
    said = "; ".join(f"{check.name}: {check.says}" for check in verdict.failed)
    stand_in = "stands" if len(verdict.failed) == 1 else "stand"
    return (
        f"{version} did not pass, {len(verdict.failed)} of {len(verdict.checks)} checks {stand_in} in the way, and "
        f"what is live goes on: {said}"
    )
