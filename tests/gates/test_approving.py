"""What lets a version out where people are asked: a verdict they approved, as long as what it was judged by holds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlast.bundle.format import pack
from outlast.errors import Refused
from outlast.gates.approving import decide, evidence
from outlast.gates.promote import promote
from outlast.gates.verdict import Check, conclude, judged, keep
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import audit, contracts
from outlast.registry.rollout import current
from outlast.registry.versions import Version, register
from outlast.training.steps import Steps
from outlast.types import ModelRef

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
CONTRACT = Contract.model_validate({"gate": {"approvals": 1, "regulated": True}})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workspace]:
    found = Workspace(tmp_path)
    yield found
    found.fresh.close()
    found.ledger.dispose()


def trained(place: Workspace, contract: Contract = CONTRACT) -> Version:
    """A version of which nothing is ever executed."""
    manifest = {"model": "late", "sources": {}, "lookups": []}
    count = len(audit.entries(place.ledger))
    files = {"contract.json": contract.model_dump_json().encode(), "count.json": str(count).encode()}
    digest = place.artifacts.put(pack(manifest, files))
    summary = {"contract": contract.model_dump(mode="json")}
    return register(place.ledger, "late", digest=digest, code_digest=None, task="binary", summary=summary, lineage={},
                    by="ada", at=NOON)  # fmt: skip


def gate(
    place: Workspace, version: Version, *, hours: int = 0, passed: bool = True, champion: str | None = None
) -> str:
    """A verdict as the gate makes one."""
    checks = judged([Check("floors", passed, "")], contract=CONTRACT.digest, champion=champion)
    verdict = conclude(version, checks, NOON + timedelta(hours=hours))
    keep(place.ledger, verdict)
    return verdict.digest


def approve(place: Workspace, version: Version, by: str = "bob") -> None:
    decide(place, ModelRef("late", version.number), "approve", by=by, reason="looked at it", now=NOON)


def used(place: Workspace, version: Version) -> str:
    return evidence(place, version, Steps(None), now=NOON).digest


def test_an_approved_verdict_lets_a_version_out_without_another_one(place: Workspace) -> None:
    version = trained(place)
    verdict = gate(place, version)
    approve(place, version)
    rollout, made = promote(place, ModelRef("late", 1), by="ada", reason="", now=NOON)
    assert (rollout.live, made.digest) == (1, verdict)
    assert audit.verify(place.ledger) is None


def test_the_newest_approved_verdict_counts_and_not_a_newer_one_that_nobody_approved(place: Workspace) -> None:
    version = trained(place)
    first = gate(place, version)
    approve(place, version)
    gate(place, version, hours=1)
    assert used(place, version) == first
    gate(place, version, hours=2, passed=False)
    assert used(place, version) == first


def test_what_is_missing_is_said_with_what_to_do(place: Workspace) -> None:
    version = trained(place)
    with pytest.raises(Refused, match=r"it has passed none\. Next: outlast gate late@1, then outlast approve late@1"):
        used(place, version)
    gate(place, version)
    with pytest.raises(
        Refused, match=r"its author's does not count\), and there is none\. Next: outlast approve late@1"
    ):
        used(place, version)


def test_an_approval_ends_when_something_else_is_live_or_another_contract_in_force(place: Workspace) -> None:
    first, second = trained(place), trained(place)
    for version in (first, second):
        gate(place, version)
        approve(place, version)
    promote(place, ModelRef("late", 1), by="ada", reason="", now=NOON)
    with pytest.raises(Refused, match=r"what is live has changed \(it is version 1 now\) since\. Next: outlast gate"):
        promote(place, ModelRef("late", 2), by="ada", reason="", now=NOON)
    gate(place, second, hours=1, champion=first.digest)
    with pytest.raises(Refused, match="what is live has changed"):  # the newer verdict is right, and not approved
        used(place, second)
    approve(place, second)
    assert used(place, second)
    other = CONTRACT.model_copy(update={"gate": CONTRACT.gate.model_copy(update={"margin": 0.5})})
    contracts.apply(place.ledger, "late", other, by="ada", at=NOON)
    with pytest.raises(Refused, match="the contract in force has changed since"):
        used(place, second)
    assert current(place.ledger, "late").live == 1


def test_a_verdict_that_does_not_say_what_it_was_judged_by_is_not_enough(place: Workspace) -> None:
    version = trained(place)
    keep(place.ledger, conclude(version, [Check("floors", True, "")], NOON))
    approve(place, version)
    with pytest.raises(Refused, match="does not say by which contract it was judged"):
        used(place, version)


def test_a_rejection_is_said_before_anything_is_judged(place: Workspace) -> None:
    version = trained(place, replace_gate(approvals=0))
    decide(place, ModelRef("late", 1), "reject", by="dan", reason="no", now=NOON)
    with pytest.raises(Refused, match="it was rejected by dan: no"):
        used(place, version)


def replace_gate(approvals: int) -> Contract:
    return Contract.model_validate({"gate": {"approvals": approvals}})


def test_every_way_out_takes_the_same_evidence_and_a_wrong_one_names_the_nearest(place: Workspace) -> None:
    first, second = trained(place), trained(place)
    gate(place, first)
    approve(place, first)
    promote(place, ModelRef("late", 1), by="ada", reason="", now=NOON, to="advice")
    with pytest.raises(Refused, match="it has passed none"):
        promote(place, ModelRef("late", 2), by="ada", reason="", now=NOON, to="canary", share=10)
    with pytest.raises(Refused, match="did you mean 'canary'"):
        promote(place, ModelRef("late", 2), by="ada", reason="", now=NOON, to="canari", share=10)
    gate(place, second, champion=first.digest)
    approve(place, second)
    rollout, _ = promote(place, ModelRef("late", 2), by="ada", reason="", now=NOON, to="canary", share=10)
    assert (rollout.live, rollout.advice, rollout.challenger, rollout.share) == (1, True, 2, 10)
