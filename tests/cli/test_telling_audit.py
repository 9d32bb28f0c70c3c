"""What the trail says of an entry."""

from datetime import UTC, datetime
from typing import Any

import pytest

from outlast.cli.telling_audit import did
from outlast.registry.audit import Entry

THERE = "version 2 to staging, there 1"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def entry(action: str, /, **detail: Any) -> Entry:
    return Entry(1, NOON, "ada", action, "late", {**detail, "identity": "unverified"}, "0" * 64, "1" * 64)


CHANGE = {"from_version": 1, "to_version": 2, "reason": "better", "verdict_digest": "v" * 64}
BESIDE = {**CHANGE, "to_version": 1, "challenger": 2, "stage": "canary", "share": 10.0}
SAID = {"approval": {"number": 4, "verdict_digest": "c" * 64, "reason": "looked at it"}}


@pytest.mark.parametrize(
    ("one", "word", "says"),
    [
        (entry("transition", action="promote", **CHANGE), "promote", "1 → 2: better"),
        (entry("transition", action="promote", **(CHANGE | {"from_version": None})), "promote", "none → 2: better"),
        (entry("transition", action="promote", advice=True, **CHANGE), "promote", "1 → 2 as advice: better"),
        (entry("transition", action="promote", **BESIDE), "promote", "version 2 in canary 10.0 %: better"),
        (entry("register", number=3, digest="b" * 64), "register", f"version 3, bundle {'b' * 12}"),
        (entry("approve", **SAID), "approve", f"version 4, verdict {'c' * 12}: looked at it"),
        (entry("apply", changes=[{"key": "owner"}, {"key": "gate.margin"}]), "apply", "owner, gate.margin"),
        (entry("create token", name="ci", roles=["train"], models=["late"]), "create token", "ci: train for late"),
        (entry("transfer", number=2, to={"environment": "staging", "number": 1}), "transfer", THERE),
        (entry("something to come"), "something to come", ""),
    ],
)  # fmt: skip
def test_an_entry_says_what_was_done_and_how(one: Entry, word: str, says: str) -> None:
    assert did(one) == (word, says)
