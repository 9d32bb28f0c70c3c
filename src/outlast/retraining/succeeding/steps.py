"""A candidate's way: shadow, canary, live, each by what is measured, and by approval where the contract asks for it.

A step is a transition of the rollout first and a record of it then. A tick that was killed between the two finds the
rollout ahead of the record, and writes what is missing. Whoever changes the rollout by hand goes before the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from outlast.errors import Conflict, Refused
from outlast.gates.champion import MONEY
from outlast.gates.promote import let_out, roll_back
from outlast.gates.verdict import judged_by, last_verdict
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import approvals
from outlast.registry.approvals import Rules
from outlast.registry.contracts import contract_of
from outlast.registry.rollout import Action, Asked, Rollout, current, transition, transitions
from outlast.registry.versions import Version, find
from outlast.retraining.deciding.records import Step, What, note
from outlast.retraining.deciding.troubles import troubles
from outlast.retraining.judging.readout import read_out
from outlast.retraining.judging.ruling import Ruling, Terms, rule
from outlast.retraining.judging.told import Readout
from outlast.retraining.succeeding.state import Candidate, Standing, looked_at, note_look, stand
from outlast.retraining.succeeding.telling import tell
from outlast.retraining.succeeding.training import gate_digest
from outlast.types import ModelRef, counted, duration, utc

BY = "tick"
"""Who lets successors out, in the history and in the audit trail."""
LOOK = timedelta(minutes=10)
"""How often a challenger is judged: a look reads the journal."""
_STAGE: dict[Action, What] = {"shadow": "shadow", "canary": "canary", "promote": "live"}


@dataclass(frozen=True)
class Way:
    """A candidate, the contract in force for it, and what is live beside it."""

    workspace: Workspace
    candidate: Candidate
    version: Version
    contract: Contract
    rollout: Rollout
    now: datetime

    @property
    def model(self) -> str:
        return self.version.model

    @property
    def beside(self) -> bool:
        """Whether it stands beside what is live."""
        return self.rollout.challenger == self.version.number


def step_on(
    workspace: Workspace, model: str, candidate: Candidate, *, now: datetime, hold: Callable[[], None]
) -> tuple[bool, str]:
    """Bring a candidate one step further, if it is time; whether anything changed, and a sentence."""
    version = find(workspace.ledger, ModelRef(model, candidate.version))
    contract = contract_of(workspace, version)
    way = Way(workspace, candidate, version, contract, current(workspace.ledger, model), utc(now))
    gone = _gone(way)
    if gone is not None:
        return _record(way, None, gone)
    if way.beside and way.rollout.stage != candidate.stage:
        return _caught_up(way)
    against = _against(way)
    if against is not None:
        return _give_up(way, against)
    if way.rollout.live is None:
        return _let(way, "promote", Ruling("on", "nothing is live that it could stand beside"))
    if not way.beside:
        return _let(way, "shadow", Ruling("on", f"it passed verdict {candidate.verdict[:12]}"))
    return _judge(way, hold)


def _gone(way: Way) -> Step | None:
    """What became of it otherwise: live, or taken away, by somebody, or by a tick that was killed before it said so."""
    number, trigger = way.version.number, way.candidate.trigger
    if way.rollout.live == number:
        return Step("live", f"{way.version} is live: {_last(way)}", trigger, number)
    if way.candidate.stage is not None and not way.beside:
        return Step("given up", f"{way.version} is given up: {_last(way)}", trigger, number)
    return None


def _last(way: Way) -> str:
    """Why the rollout was changed last; by whom, where that was not the loop."""
    last = transitions(way.workspace.ledger, way.model)[-1]
    return last.reason or "" if last.by == BY else f"{last.by} did it" + (f", {last.reason}" if last.reason else "")


def _caught_up(way: Way) -> tuple[bool, str]:
    """Write what a killed tick, or somebody by hand, has done."""
    what: What = "shadow" if way.rollout.stage == "shadow" else "canary"
    step = Step(what, f"{way.version} is {what}: {_last(way)}", way.candidate.trigger, way.version.number)
    since = transitions(way.workspace.ledger, way.model)[-1].at
    return _record(way, _stood(way, way.rollout.stage, since), step)


def _against(way: Way) -> str | None:
    """What makes its verdict worthless: people against it, another champion, or another gate."""
    against = approvals.rejections(way.workspace.ledger, way.version)
    if against.rejected:
        return approvals.refusal(way.version, against, "")
    if gate_digest(way.contract) != way.candidate.gate:
        return "the section [gate] has changed since it was judged by it: ask for another with outlast retrain"
    verdict = last_verdict(way.workspace.ledger, way.version)
    by = None if verdict is None else judged_by(verdict)
    live = way.rollout.live
    digest = None if live is None else find(way.workspace.ledger, ModelRef(way.model, live)).digest
    if by is None or by["champion"] != digest:
        return f"what is live has changed since it was held against that: version {live} now"
    return None


def _judge(way: Way, hold: Callable[[], None]) -> tuple[bool, str]:
    look = f"judged/{way.model}/{way.version.number}/{way.rollout.stage}"
    if looked_at(way.workspace.ledger, look, LOOK, way.now):
        return False, f"{way.version} was judged a moment ago"
    hold()
    found = read_out(way.workspace, way.model, way.version.number, now=way.now)
    hold()
    assert found is not None, "it stands beside what is live"
    stage, whole = (_since(way, one) for one in (way.candidate.since, way.candidate.begun))
    broken = next((one.sentence for one in troubles(way.workspace.ledger, way.model) if one.sort == "data"), None)
    ruling = rule(found, terms_of(way), stage=stage, whole=whole, broken=broken)
    if ruling.kind == "give up":
        return _give_up(way, ruling.sentence, found)
    if ruling.kind == "on":
        return _let(way, "canary" if way.rollout.stage == "shadow" else "promote", ruling, found)
    told = (False, ruling.sentence) if ruling.young else _say(way, ruling.sentence, "outcomes", found)
    note_look(way.workspace.ledger, look, way.now)
    return told


def terms_of(way: Way) -> Terms:
    """What the contract allows a successor."""
    plan = way.contract.retraining
    return Terms(margin_of(way), duration(plan.shadow), duration(plan.patience))


def margin_of(way: Way) -> float:
    """How much less a decision may be worth: as [retraining] says, else [gate], else a part of what is live earns."""
    plan, gate = way.contract.retraining, way.contract.gate
    said = gate.value_margin if plan.margin is None else plan.margin
    if said is not None:
        return said
    assert way.rollout.live is not None, "a margin is against what is live"
    live = find(way.workspace.ledger, ModelRef(way.model, way.rollout.live))
    value = live.summary.get("value")
    return MONEY * abs(value["per_decision"]) if value else 0.01


def _since(way: Way, moment: datetime | None) -> timedelta:
    return way.now - utc(moment or way.now)


def _let(way: Way, action: Action, ruling: Ruling, found: Readout | None = None) -> tuple[bool, str]:
    """Let it out one stage further, where nobody has to be asked before that or everybody has agreed."""
    waits = _waits_for(way, action)
    if waits is not None:
        return _say(way, waits, "approval", found)
    share = way.contract.retraining.canary * 100 if action == "canary" else None
    try:
        let_out(
            way.workspace, way.version, Asked(action, way.version.number, share), verdict=way.candidate.verdict, by=BY,
            reason=ruling.sentence, now=way.now, expected=way.rollout.sequence,
        )  # fmt: skip
    except Conflict as conflict:
        return _say(way, conflict.sentence, "conflict", found)
    except Refused as refusal:
        return _give_up(way, refusal.sentence, found)
    what = _STAGE[action]
    step = Step(what, f"{way.version} is {what}: {ruling.sentence}", way.candidate.trigger, way.version.number,
                numbers=_numbers(found))  # fmt: skip
    if action == "promote":
        return _record(way, None, step)
    return _record(way, _stood(way, "shadow" if action == "shadow" else "canary", way.now), step)


def _waits_for(way: Way, action: Action) -> str | None:
    """Whose agreement is missing: before anybody is answered by it, and before all of it where the gate says so."""
    rules = Rules.of(way.contract.gate.model_dump())
    if way.contract.retraining.policy == "approval" and action != "shadow":
        rules = Rules(max(1, rules.needed), rules.regulated)
    with way.workspace.ledger.read() as connection:
        found = approvals.standing(connection, way.version, way.candidate.verdict, rules)
    if found.enough:
        return None
    return (
        f"{way.version} waits for {counted(found.missing, 'approval')} before it is {_STAGE[action]}: "
        f"outlast approve {way.version} --reason …"
    )


def _give_up(way: Way, why: str, found: Readout | None = None) -> tuple[bool, str]:
    """Take it away; what is live is as it was."""
    says = f"{way.version} is given up: {why}"
    ledger, now = way.workspace.ledger, way.now
    if way.beside and way.rollout.stage == "shadow":
        transition(ledger, way.model, action="withdraw", to=way.version.number, by=BY, at=now, reason=why,
                   expected=way.rollout.sequence)  # fmt: skip
    elif way.beside:
        roll_back(way.workspace, way.model, by=BY, reason=why, now=now)
    step = Step("given up", says, way.candidate.trigger, way.version.number, numbers=_numbers(found))
    return _record(way, None, step)


def _stood(way: Way, stage: str | None, since: datetime) -> Standing:
    begun = way.candidate.begun or since
    return Standing(candidate=way.candidate).with_candidate(stage=stage, since=since, begun=begun)


def _record(way: Way, after: Standing | None, step: Step) -> tuple[bool, str]:
    """Write a step and where the loop stands after it, and tell whoever is told of its end."""
    with way.workspace.ledger.write() as connection:
        stand(connection, way.model, after or Standing(), way.now)
        note(connection, way.model, step, way.now)
        if after is None:
            tell(connection, way.contract, way.version, step, way.now)
    return True, step.sentence


def _say(way: Way, sentence: str, reason: str, found: Readout | None) -> tuple[bool, str]:
    """Say once a day what it waits for; who has to agree is told."""
    step = Step("waits", sentence, way.candidate.trigger, way.version.number, reason, _numbers(found))
    with way.workspace.ledger.write() as connection:
        new = note(connection, way.model, step, way.now)
        if new and reason == "approval":
            tell(connection, way.contract, way.version, step, way.now)
    return new, sentence


def _numbers(found: Readout | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {"readout": {name: _plain(value) for name, value in found.to_json().items()}}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
