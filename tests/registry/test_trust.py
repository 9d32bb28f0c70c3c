"""What a server may load: only bytes that an approved transition names."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from outlast.errors import Refused
from outlast.registry.rollout import current, transition
from outlast.registry.trust import admitted, standing
from outlast.storage.ledger import Ledger, schema
from outlast.types import digest_of

STEPS, ROWS, VERDICTS, TRAIL = schema.transitions, schema.rollouts, schema.verdicts, schema.audit


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    from outlast.storage.ledger import open_ledger

    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture
def let_out(ledger: Ledger, train, judge, noon) -> Ledger:
    """Version 2 is live, 1 was before, 3 stands beside it."""
    for number in (1, 2, 3):
        train()
        more = {"share": 5} if number == 3 else {}
        action = "canary" if number == 3 else "promote"
        transition(ledger, "late", action=action, to=number, verdict=judge(number), by="ada", at=noon, **more)
    return ledger


def test_what_was_let_out_is_admitted_also_after_a_rollback(let_out: Ledger, noon) -> None:
    assert admitted(let_out, current(let_out, "late")) == (digest_of(["late", 2]), digest_of(["late", 3]))
    for _ in range(2):
        transition(let_out, "late", action="rollback", by="ada", at=noon)
    assert admitted(let_out, current(let_out, "late")) == (digest_of(["late", 1]), None)
    transition(let_out, "late", action="retire", by="ada", at=noon)
    assert standing(let_out, "late").live is None


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (sa.update(ROWS).values(live=1), "has version 1 live, which no transition made so"),
        (sa.update(ROWS).values(live=None), "has nothing live, which no transition made so"),
        (sa.update(ROWS).values(challenger=1), "which no transition made so"),
        (sa.update(ROWS).values(share=99.0), "which no transition made so"),
        (sa.update(ROWS).values(sequence=1), "which no transition made so"),
        (sa.delete(STEPS).where(STEPS.c.sequence == 3), "which no transition made so"),
        (sa.update(STEPS).where(STEPS.c.sequence == 3).values(bundle="f" * 64), "is not what the trail says of it"),
        (sa.update(STEPS).where(STEPS.c.sequence == 2).values(by="bob"), "is not what the trail says of it"),
        (
            sa.update(schema.versions).where(schema.versions.c.number == 2).values(digest="f" * 64),
            "late@2 has the bytes ffffffffffff, and .* were let out",
        ),
        (
            sa.update(VERDICTS).where(VERDICTS.c.number == 2).values(checks=[]),
            "The verdict that let late@2",
        ),
        (sa.delete(VERDICTS).where(VERDICTS.c.number == 3), "The verdict that let late@3 out is gone"),
        (sa.delete(TRAIL).where(TRAIL.c.action == "transition"), "is not what the trail says of it"),
        (
            sa.update(TRAIL).where(TRAIL.c.seq == 6).values(actor="bob"),
            "is not what the trail says of it",
        ),
    ],
)
def test_an_edited_row_admits_nothing(let_out: Ledger, tamper: Callable[..., int], statement, sentence: str) -> None:
    assert tamper(statement)
    with pytest.raises(Refused, match=sentence):
        admitted(let_out, current(let_out, "late"))


def test_a_forged_entry_that_the_next_does_not_follow_admits_nothing(let_out: Ledger, tamper, train) -> None:
    from outlast.registry import audit

    train()  # an entry after the transition's
    entry = next(one for one in audit.entries(let_out)[::-1] if one.action == audit.TRANSITION)
    detail = {**entry.detail, "bundle": "f" * 64}
    made = audit.Entry(**{**vars(entry), "detail": detail})
    forged = sa.update(TRAIL).where(TRAIL.c.seq == entry.seq)
    step = sa.update(STEPS).where(STEPS.c.sequence == 3).values(bundle="f" * 64)
    other = sa.update(schema.versions).where(schema.versions.c.number == 2).values(digest="f" * 64)
    tamper(forged.values(detail=detail, digest=made.expected()), step, other)
    with pytest.raises(Refused, match="is not what the trail says of it"):
        admitted(let_out, current(let_out, "late"))
