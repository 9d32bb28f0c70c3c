"""What changes something: the functions behind the other operations, each by the stage whose rules it keeps."""

from collections.abc import Mapping
from functools import partial

from pydantic import ValidationError

from outlast.control.acting import Acting, Do
from outlast.control.operations import (
    APPLY,
    APPROVE,
    BACKFILL,
    CREATE_TOKEN,
    ERASE,
    GATE,
    PROMOTE,
    REJECT,
    RETIRE,
    REVOKE_TOKEN,
    ROLLBACK,
    TRANSFER,
    WITHDRAW,
)
from outlast.control.shapes import (
    About,
    Applied,
    Applying,
    Decided,
    Erasing,
    Filled,
    Made,
    MakingToken,
    Moving,
    Named,
    Promoted,
    Promoting,
    Reasoned,
)
from outlast.errors import ContractError, NotFound
from outlast.gates.approving import decide
from outlast.gates.judge import judge
from outlast.gates.promote import promote, roll_back
from outlast.gates.refill import backfill
from outlast.gates.verdict import Verdict
from outlast.journal.erased import Erased
from outlast.journal.erasing import erase
from outlast.project.contract import SAID, Contract
from outlast.registry import contracts, tokens
from outlast.registry.approvals import Decision
from outlast.registry.background import mirror_later
from outlast.registry.rollout import Action, Rollout, transition
from outlast.registry.transfer import transfer
from outlast.registry.versions import Transferred, find, models
from outlast.retraining.succeeding.state import standing
from outlast.serving.labels import key_named
from outlast.types import ModelRef, duration


def _decide(decision: Decision, acting: Acting, asked: Reasoned) -> Decided:
    said, found = decide(acting.workspace, asked.ref, decision, by=acting.by, reason=asked.reason, now=acting.at)
    candidate = standing(acting.workspace.ledger, said.model).candidate
    return Decided(said, found, candidate is not None and candidate.version == said.number)


def _gate(acting: Acting, about: About) -> Verdict:
    ref = about.ref
    version = find(acting.workspace.ledger, ref if ref.version is not None else ModelRef(ref.name, "latest"))
    verdict = judge(acting.workspace, version, now=acting.at, watcher=acting.watcher)
    mirror_later(acting.workspace, version.model)
    return verdict


def _promote(acting: Acting, asked: Promoting) -> Promoted:
    rollout, verdict = promote(
        acting.workspace, asked.ref, by=acting.by, reason=asked.reason, now=acting.at, watcher=acting.watcher,
        to=asked.to, share=asked.share,
    )  # fmt: skip
    mirror_later(acting.workspace, rollout.model)
    return Promoted(rollout, verdict)


def _rollback(acting: Acting, asked: Reasoned) -> Rollout:
    rollout = roll_back(acting.workspace, asked.ref.name, by=acting.by, reason=asked.reason, now=acting.at)
    mirror_later(acting.workspace, rollout.model)
    return rollout


def _transition(action: Action, acting: Acting, asked: Reasoned) -> Rollout:
    """A change that rests on no verdict; of the model as a whole, or of the version that is named."""
    ref, ledger = asked.ref, acting.workspace.ledger
    number = None if ref.version is None else find(ledger, ref).number
    rollout = transition(ledger, ref.name, action=action, to=number, by=acting.by, reason=asked.reason, at=acting.at)
    mirror_later(acting.workspace, rollout.model)
    return rollout


def _transfer(acting: Acting, asked: Moving) -> Transferred:
    return transfer(acting.workspace, asked.ref, to=asked.to, by=acting.by, at=acting.at)


def _apply(acting: Acting, asked: Applying) -> Applied:
    name, ledger = asked.ref.name, acting.workspace.ledger
    if name not in models(ledger):
        raise NotFound(f"{name} was never trained, so nothing is in force: the first `outlast train` takes all of it")
    try:
        contract = Contract.model_validate(asked.contract, context=SAID)
    except ValidationError as error:
        first = error.errors()[0]
        place, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise ContractError(
            f"The contract of {name} cannot be read here: '{place}': {said[0].lower()}{said[1:]}; where the command "
            "and the server are of different releases, install the same"
        ) from None
    version = find(ledger, ModelRef(name))
    changes = contracts.apply(ledger, name, contract, by=acting.by, at=acting.at)
    later = contracts.waiting(Contract.model_validate(version.summary["contract"]), contract)
    return Applied(name, changes, later)


def _backfill(acting: Acting, about: About) -> Filled:
    name = about.ref.name
    return Filled(name, backfill(acting.workspace, name, now=acting.at, watcher=acting.watcher))


def _erase(acting: Acting, asked: Erasing) -> Erased:
    name, workspace = asked.ref.name, acting.workspace
    key, names = key_named(workspace, name, asked.key)
    return erase(workspace, name, key, names, by=acting.by, now=acting.at, do=asked.do)


def _create_token(acting: Acting, asked: MakingToken) -> Made:
    ends = None if asked.expires is None else acting.at + duration(asked.expires)
    wanted = tokens.Wanted.of(asked.name, asked.roles, asked.models, expires_at=ends, at=acting.at)
    return Made(*tokens.create(acting.workspace.ledger, wanted, by=acting.by, at=acting.at))


def _revoke_token(acting: Acting, asked: Named) -> tokens.Token:
    return tokens.revoke(acting.workspace.ledger, asked.id, by=acting.by, at=acting.at)


DO: Mapping[str, Do] = {
    GATE.name: _gate,
    APPROVE.name: partial(_decide, "approve"),
    REJECT.name: partial(_decide, "reject"),
    PROMOTE.name: _promote,
    WITHDRAW.name: partial(_transition, "withdraw"),
    RETIRE.name: partial(_transition, "retire"),
    ROLLBACK.name: _rollback,
    TRANSFER.name: _transfer,
    APPLY.name: _apply,
    BACKFILL.name: _backfill,
    ERASE.name: _erase,
    CREATE_TOKEN.name: _create_token,
    REVOKE_TOKEN.name: _revoke_token,
}
