"""A card from all that is kept of a version; nothing of its bundle is executed."""

from datetime import datetime

from outlast.bundle.format import open_bundle
from outlast.evidence.card import governed, made
from outlast.evidence.card.parts import Card
from outlast.evidence.costs import costs
from outlast.gates.verdict import last_verdict
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.contracts import effective
from outlast.registry.rollout import current
from outlast.registry.versions import Version
from outlast.storage.ledger import Ledger


def card(workspace: Workspace, version: Version, *, now: datetime) -> Card:
    """What can be said of a version, in the order in which a reader asks."""
    ledger = workspace.ledger
    bundle = open_bundle(workspace, version.digest)
    contract = effective(ledger, version.model, Contract.model_validate(version.summary["contract"]))
    verdict, state = last_verdict(ledger, version), state_of(ledger, version)
    absent = verdict.absent if verdict is not None else tuple(version.summary.get("absent", ()))
    spent = costs(workspace, version, verdict)
    sections = (
        made.purpose(version, contract, state),
        made.decisions(version, contract, bundle.manifest, spent),
        made.figures(version),
        made.limits(version, absent),
        made.data(version),
        made.features(version, bundle.manifest),
        made.simpler(version, contract),
        governed.judged(version, verdict),
        governed.agreed(ledger, version),
        governed.watched(contract),
        made.again(version, spent),
    )
    lead = contract.model.problem or "The contract does not say what this model is for."
    return Card(version.model, version.number, version.digest, now, lead, state, sections)


def state_of(ledger: Ledger, version: Version) -> str:
    """Where a version stands now."""
    return current(ledger, version.model).of(version.number) or "not live"
