"""Approvals: as many as are asked, of different people, bound to verdict and bytes; and rejections, which stand."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from outlast.errors import Conflict, Refused
from outlast.registry import audit
from outlast.registry.approvals import Approval, Rules, Standing, approvals, decide
from outlast.registry.rollout import Rollout, transition
from outlast.registry.versions import Version, find
from outlast.storage.ledger import Ledger, open_ledger, schema
from outlast.types import ModelRef, Verified

Say = Callable[..., tuple[Approval, Standing]]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture
def version(train: Callable[..., Version]) -> Version:
    """Trained by ada, whose contract asks for two people and is regulated."""
    return train(summary={"contract": {"gate": {"approvals": 2, "regulated": True}}})


@pytest.fixture
def say(ledger: Ledger, version: Version, noon: datetime) -> Say:
    def said(by: str, decision: str = "approve", reason: str = "looked at it", **more: Any) -> Any:
        rules = more.get("rules", Rules(2, True))
        return decide(ledger, version, decision, by=by, reason=reason, at=noon, rules=rules)  # type: ignore[arg-type]

    return said


@pytest.fixture
def promote(ledger: Ledger, noon: datetime) -> Callable[[str], Rollout]:
    def done(verdict: str) -> Rollout:
        return transition(ledger, "late", action="promote", to=1, verdict=verdict, by="ada", at=noon)

    return done


def test_two_people_let_a_version_out_and_all_of_it_is_in_the_trail(ledger, version, say: Say, judge, promote) -> None:
    verdict = judge(1)
    with pytest.raises(Refused, match=r"2 approvals of verdict .* there is none.*by 2 other people"):
        promote(verdict)
    said, standing = say("bob")
    assert (said.verdict_digest, said.bundle, said.identity) == (verdict, version.digest, "unverified")
    assert (standing.missing, standing.enough) == (1, False)
    with pytest.raises(Refused, match=r"one by bob.*by somebody else") as caught:
        promote(verdict)
    assert caught.value.details == {"verdict": verdict, "approvals": ["bob"], "rejected": [], "needed": 2}
    assert say(Verified("cy", "t-1"))[0].identity == "token t-1"
    assert promote(verdict).live == 1
    trail = [(one.action, one.actor, one.detail["identity"]) for one in audit.entries(ledger)][1:3]
    assert trail == [("approve", "bob", "unverified"), ("approve", "cy", "token t-1")]
    assert audit.verify(ledger) is None


def test_one_person_is_one_however_the_name_is_written(say: Say, judge) -> None:
    judge(1)
    _, standing = say("Bob  Gray")
    assert standing.missing == 1
    for name in ("bob gray", " BOB GRAY "):
        with pytest.raises(Conflict, match=r"has approved late@1 on verdict .* already"):
            say(name)


def test_who_trained_it_may_not_approve_what_is_regulated(say: Say, judge) -> None:
    judge(1)
    for name in ("ada", "Ada", Verified("ada", "t-1")):
        with pytest.raises(Refused, match=r"late@1 was trained by ada.*ask somebody else"):
            say(name)
    assert say("ada", rules=Rules(1, False))[1].enough
    assert Rules.of({"regulated": True}) == Rules(1, True)


def test_the_author_does_not_count_where_the_contract_became_regulated_since(ledger, say: Say, judge, promote) -> None:
    verdict = judge(1)
    say("ada", rules=Rules(2, False))
    say("bob")
    with pytest.raises(Refused, match=r"its author's does not count.*one by bob"):
        promote(verdict)


def test_a_new_verdict_voids_what_was_approved(say: Say, judge, promote, noon: datetime) -> None:
    first = judge(1)
    say("bob"), say("cy")
    second = judge(1, at=noon + timedelta(hours=1))
    with pytest.raises(Refused, match=f"of verdict {second[:12]}"):
        promote(second)
    assert promote(first).live == 1


def test_other_bytes_void_what_was_approved(ledger, version, say: Say, judge, noon: datetime) -> None:
    judge(1)
    say("bob")
    with ledger.write() as connection:
        connection.execute(sa.update(schema.versions).values(digest="f" * 64))
    changed = find(ledger, ModelRef("late", 1))
    with pytest.raises(Refused, match="was edited after it was written"):
        decide(ledger, changed, "approve", by="cy", reason="x", at=noon, rules=Rules(2, True))
    assert "somebody edited it" in audit.verify(ledger).sentence


def test_a_rejection_stands_whatever_the_verdict_until_the_same_person_approves(
    say: Say, judge, promote, noon: datetime
) -> None:
    judge(1)
    say("dan", "reject", "the east is missing")
    for later in (1, 2):
        verdict = judge(1, at=noon + timedelta(hours=later))
        for name in ("bob", "cy"):
            say(name)
        with pytest.raises(Refused, match="it was rejected by dan: the east is missing"):
            promote(verdict)
    _, standing = say("Dan", "approve", "now it is there")
    assert standing.enough
    assert promote(verdict).live == 1


def test_a_rejection_counts_where_no_approvals_are_asked_and_needs_no_verdict(
    ledger, train, judge, noon: datetime
) -> None:
    plain = train("plain")
    decide(ledger, plain, "reject", by="dan", reason="no owner", at=noon, rules=Rules(0, False))
    with pytest.raises(Refused, match="rejected by dan: no owner"):
        transition(ledger, "plain", action="promote", to=1, verdict=judge(1, "plain"), by="ada", at=noon)
    other = train("plain")
    assert transition(ledger, "plain", action="promote", to=other.number, verdict=judge(2, "plain"), by="ada", at=noon)


@pytest.mark.parametrize(
    ("words", "verdict", "sentence"),
    [
        (("approve", " "), True, "To approve late@1 takes a reason"),
        (("reject", ""), True, "To reject late@1 takes a reason"),
        (("approve", "fine"), None, "late@1 has no verdict to approve: make one with `outlast gate late@1`"),
        (("approve", "fine"), False, "late@1 did not pass its newest verdict"),
    ],
)
def test_what_cannot_be_said_says_why(ledger, version, say: Say, judge, words, verdict, sentence) -> None:
    if verdict is not None:
        judge(1, passed=verdict)
    with pytest.raises(Refused, match=sentence):
        say("bob", *words)
    assert approvals(ledger, version) == []


def test_the_contract_in_force_says_how_many(ledger, say: Say, judge, promote) -> None:
    verdict = judge(1)
    say("bob")
    live = {"gate": {"approvals": 1, "regulated": True}}
    with ledger.write() as connection:
        connection.execute(sa.update(schema.models).values(live_contract=live))
    assert promote(verdict).live == 1


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (sa.update(schema.approvals).values(by="eve"), "What eve said about version 1 .* put in or edited"),
        (sa.update(schema.approvals).values(verdict_digest="f" * 64), "What bob said .* put in or edited"),
        (sa.delete(schema.approvals), "What bob said about version 1 .*, audit entry 2, is missing"),
    ],
)
def test_an_approval_that_was_edited_or_removed_is_found(ledger, say: Say, judge, tamper, statement, sentence) -> None:
    judge(1)
    say("bob")
    tamper(statement)
    assert re.search(sentence, audit.verify(ledger).sentence)


def test_an_approval_put_in_by_hand_is_found(ledger, version, say: Say, judge, noon: datetime) -> None:
    judge(1)
    said, _ = say("bob")
    with ledger.write() as connection:
        connection.execute(sa.insert(schema.approvals).values({**vars(said), "by": "eve"}))
    assert "What eve said about version 1" in audit.verify(ledger).sentence
