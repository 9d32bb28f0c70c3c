"""Taking a live version back by itself, where outcomes show that it harms or where it is broken; told and recorded."""

from collections.abc import Callable
from datetime import datetime

from outlast.gates.promote import roll_back
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.rollout import ANSWERING, Transition, current, transitions
from outlast.registry.versions import find
from outlast.retraining.deciding.records import Step, decisions, note
from outlast.retraining.deciding.troubles import troubles
from outlast.retraining.judging.back import Back, broken, look_back, rule_back
from outlast.retraining.succeeding.state import looked_at, note_look
from outlast.retraining.succeeding.telling import tell
from outlast.storage.ledger import Ledger
from outlast.types import ModelRef, duration

BY = "tick"


def take_back(
    workspace: Workspace, model: str, contract: Contract, *, now: datetime, hold: Callable[[], None]
) -> tuple[bool, str] | None:
    """Roll the live version back where it harms; None where there is nothing to look at, or it is not time to."""
    untold = _untold(workspace.ledger, model)
    if untold is not None:
        return _record(workspace, contract, untold, None, now)
    rollout = current(workspace.ledger, model)
    if rollout.live is None or rollout.previous is None or rollout.stage in ANSWERING:
        return None
    live, before = (find(workspace.ledger, ModelRef(model, one)) for one in (rollout.live, rollout.previous))
    since = _live_since(workspace.ledger, model, live.number)
    why = broken(workspace, live, since, now) if _whole(workspace.ledger, model) else None
    found = None
    if why is None:
        look = f"looked back/{model}"
        if looked_at(workspace.ledger, look, duration(contract.monitoring.cadence), now):
            return None
        hold()
        found = look_back(workspace, live, before, since, now)
        ruling = rule_back(found, contract.monitoring.tolerance)
        if ruling.kind != "give up":
            note_look(workspace.ledger, look, now)
            return None
        why = ruling.sentence
    if contract.retraining.policy in (None, "never"):
        step = Step("not", f"{live} is not taken back, the policy is {contract.retraining.policy or 'not said'}: {why}",
                    "harm", live.number, "policy", _numbers(found))  # fmt: skip
        with workspace.ledger.write() as connection:
            return note(connection, model, step, now), step.sentence
    roll_back(workspace, model, by=BY, reason=why, now=now)
    return _record(workspace, contract, transitions(workspace.ledger, model)[-1], found, now)


def _record(
    workspace: Workspace, contract: Contract, done: Transition, found: Back | None, now: datetime
) -> tuple[bool, str]:
    """Write and tell of a rollback that was made."""
    version = find(workspace.ledger, ModelRef(done.model, done.from_version))
    numbers = {"sequence": done.sequence, **(_numbers(found) or {})}
    says = f"{version} is rolled back to version {done.to_version}: {done.reason}"
    step = Step("rolled back", says, "harm", version.number, numbers=numbers)
    with workspace.ledger.write() as connection:
        note(connection, done.model, step, now)
        tell(connection, contract, version, step, now)
    return True, step.sentence


def _untold(ledger: Ledger, model: str) -> Transition | None:
    """A rollback that a tick made before it was killed, and did not write about."""
    last = transitions(ledger, model)[-1:]
    if not last or last[0].action != "rollback" or last[0].by != BY or last[0].from_version == last[0].to_version:
        return None
    said = [one.detail.get("sequence") for one in decisions(ledger, model) if one.what == "rolled back"]
    return None if last[0].sequence in said else last[0]


def _live_since(ledger: Ledger, model: str, number: int) -> datetime:
    """Since when a version is live without a break."""
    since = None
    for step in transitions(ledger, model):
        if step.to_version != number:
            since = None
        elif since is None:
            since = step.at
    assert since is not None, "it is live"
    return since


def _whole(ledger: Ledger, model: str) -> bool:
    """Whether its data are not known to be broken: then the version before would fare no better."""
    return not any(one.sort == "data" for one in troubles(ledger, model))


def _numbers(found: Back | None) -> dict[str, object] | None:
    return None if found is None else {"back": found.to_json()}
