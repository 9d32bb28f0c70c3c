"""The loop: the functions behind asking for a successor, why there was one or not, and how a challenger does."""

from collections.abc import Mapping

from outlast.control.acting import Acting, Do
from outlast.control.operations import AB, DECISIONS, RETRAIN
from outlast.control.shapes import About, Loop, Reasoned
from outlast.errors import NotFound
from outlast.registry.contracts import contract_of
from outlast.registry.rollout import current
from outlast.registry.versions import find
from outlast.retraining.deciding.deciding import said_of
from outlast.retraining.deciding.records import Decision, decisions
from outlast.retraining.judging.readout import read_out
from outlast.retraining.judging.told import Readout
from outlast.retraining.loop import ask_for
from outlast.types import ModelRef


def _retrain(acting: Acting, asked: Reasoned) -> Decision:
    """Begun, and not waited for: it takes as long as a training does, and a server that stops does not end it."""
    ledger, name = acting.workspace.ledger, asked.whole
    find(ledger, ModelRef(name))
    ask_for(acting.workspace, name, by=acting.by, reason=asked.reason, now=acting.at)
    return next(one for one in reversed(decisions(ledger, name)) if one.what == "started")


def _decisions(acting: Acting, about: About) -> Loop:
    ledger, name = acting.workspace.ledger, about.whole
    plan = contract_of(acting.workspace, find(ledger, ModelRef(name))).retraining
    return Loop(name, said_of(plan), decisions(ledger, name))


def _ab(acting: Acting, about: About) -> Readout:
    ref, ledger = about.ref, acting.workspace.ledger
    number = current(ledger, ref.name).challenger if ref.version is None else find(ledger, ref).number
    found = None if number is None else read_out(acting.workspace, ref.name, number, now=acting.at)
    if found is None:
        raise NotFound(
            f"Nothing stands beside what is live of {ref.name}: put a version there with "
            f"`outlast promote {ref.name}@NUMBER --to ab --share 50`, or --to shadow"
        )
    return found


DO: Mapping[str, Do] = {RETRAIN.name: _retrain, DECISIONS.name: _decisions, AB.name: _ab}
