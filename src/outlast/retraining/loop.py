"""The loop's two jobs: training successors, and letting them in or taking out what harms."""

from collections.abc import Callable
from datetime import datetime

from outlast.errors import Refused
from outlast.project.contract import Contract
from outlast.project.period import Period
from outlast.project.workspace import Workspace
from outlast.registry.contracts import contract_of
from outlast.registry.rollout import current
from outlast.registry.versions import find
from outlast.retraining.deciding.deciding import ASKED, Asking, asking, obstacle
from outlast.retraining.deciding.facts import Facts, facts_of
from outlast.retraining.deciding.records import Step, note
from outlast.retraining.succeeding.back import take_back
from outlast.retraining.succeeding.runs import begin, look_after, new_run, start
from outlast.retraining.succeeding.state import Run, Standing, standing
from outlast.retraining.succeeding.steps import step_on
from outlast.types import ModelRef, utc

Hold = Callable[[], None]


def retrain_due(workspace: Workspace, model: str, *, now: datetime, hold: Hold) -> tuple[bool, str]:
    """Look after a run that is under way, or decide whether one begins."""
    at = standing(workspace.ledger, model)
    if at.run is not None:
        return look_after(workspace, model, at.run, now)
    facts, contract = _facts(workspace, model, now)
    if facts is None or contract is None:
        return False, "nothing is live"
    hold()
    ask = asking(facts, contract.retraining)
    if ask is None:
        return False, "nothing asks for a successor"
    if at.candidate is not None:
        return False, f"{model}@{at.candidate.version} is on its way"
    return decide(workspace, model, (facts, contract), ask)


def decide(
    workspace: Workspace, model: str, known: tuple[Facts, Contract], ask: Asking, *, by: str = "tick"
) -> tuple[bool, str]:
    """Begin a run, or record why not."""
    facts, contract = known
    against = obstacle(facts, contract.retraining, ask)
    numbers = facts.numbers()
    if against is not None:
        says = f"no successor is trained, though {ask.sentence}: {against.sentence}"
        step = Step("not", says, ask.trigger, reason=against.reason, numbers=numbers)
        with workspace.ledger.write() as connection:
            new = note(connection, model, step, facts.now)
        return new, says
    run = new_run(ask.trigger, ask.sentence, Period.of(contract.retraining.window, facts.now), facts.now, by)
    says = f"a successor is trained by what is known at {facts.now:%Y-%m-%d %H:%M}: {ask.sentence}"
    numbers["run"], numbers["period"] = run.id, run.period.to_json()
    step = Step("started", says, ask.trigger, numbers=numbers)
    if not begin(workspace, model, run, step, asked_by=by if ask.trigger == ASKED else None):
        return False, "something is under way already"
    start(workspace, model, run)
    return True, says


def ask_for(workspace: Workspace, model: str, *, by: str, reason: str, now: datetime) -> Run:
    """Begin a run that a person asks for; Refused with what stands in the way."""
    at = standing(workspace.ledger, model)
    if at != Standing():
        candidate = at.candidate
        what = "a successor is being trained" if candidate is None else f"{model}@{candidate.version} is on its way"
        raise Refused(f"{what}, and there are never two: see `outlast decisions {model}`")
    facts, contract = _facts(workspace, model, now)
    if facts is None or contract is None:
        raise Refused(f"Nothing of model '{model}' is live that could have a successor: outlast train, outlast promote")
    ask = Asking(ASKED, f"{by} asked for it" + (f": {reason}" if reason else ""))
    _, says = decide(workspace, model, (facts, contract), ask, by=by)
    run = standing(workspace.ledger, model).run
    if run is None:
        raise Refused(f"{says[0].upper()}{says[1:]}; see `outlast decisions {model}`")
    return run


def roll_out(workspace: Workspace, model: str, *, now: datetime, hold: Hold) -> tuple[bool, str]:
    """Bring a candidate a step further; or take back what is live where it harms."""
    rollout = current(workspace.ledger, model)
    if rollout.live is not None:
        live = find(workspace.ledger, ModelRef(model, rollout.live))
        done = take_back(workspace, model, contract_of(workspace, live), now=now, hold=hold)
        if done is not None:
            return done
    candidate = standing(workspace.ledger, model).candidate
    if candidate is None:
        return False, "no successor is on its way"
    return step_on(workspace, model, candidate, now=now, hold=hold)


def _facts(workspace: Workspace, model: str, now: datetime) -> tuple[Facts | None, Contract | None]:
    rollout = current(workspace.ledger, model)
    if rollout.live is None:
        return None, None
    live = find(workspace.ledger, ModelRef(model, rollout.live))
    return facts_of(workspace, live, rollout, utc(now)), contract_of(workspace, live)
