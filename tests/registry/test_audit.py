"""The audit trail: whole under racing writers, and every kind of tampering found."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from outlast.registry import audit, verdicts
from outlast.registry.rollout import transition
from outlast.storage.ledger import schema
from outlast.storage.ledger.schema import audit as table


def write(ledger, noon, number: int, **more) -> audit.Entry:
    given = {"actor": "ada", "action": "apply", "object": "late", "detail": {"n": number}, "at": noon, **more}
    with ledger.write() as connection:
        return audit.record(connection, **given)


def test_an_empty_trail_is_whole(ledger) -> None:
    assert audit.verify(ledger) is None
    assert audit.head(ledger) is None


def test_entries_come_back_in_order_and_chained(ledger, noon) -> None:
    made = [write(ledger, noon + timedelta(hours=n), n) for n in range(5)]
    assert audit.entries(ledger) == made
    assert [entry.previous for entry in made] == [audit.FIRST, *[entry.digest for entry in made[:-1]]]
    assert audit.entries(ledger, limit=2) == made[3:]
    assert audit.entries(ledger, since=noon + timedelta(hours=3)) == made[3:]
    assert audit.entries(ledger, object="other") == []
    assert audit.head(ledger) == made[4]
    assert audit.verify(ledger) is None


def test_identity_is_recorded_as_unverified(ledger, noon) -> None:
    assert write(ledger, noon, 1).detail == {"n": 1, "identity": "unverified"}


@pytest.mark.parametrize(
    "detail",
    [
        {"float": 0.1 + 0.2, "whole": 1.0, "big": 1e300, "small": -0.0, "int": 2**53 + 1},
        {"text": 'naïve ☃ \u0000 \\ "quoted"', "none": None, "list": [1, [2.5, {"deep": True}]]},
        {"nan": float("nan"), "z": 1, "a": 2},
    ],
)
def test_any_plain_detail_survives_the_database(ledger, noon, detail) -> None:
    write(ledger, noon, 1, detail=detail, at=noon.replace(microsecond=123456, tzinfo=None))
    assert audit.verify(ledger) is None


def test_an_entry_is_undone_with_what_it_tells_of(ledger, noon) -> None:
    write(ledger, noon, 1)

    def fail() -> None:
        with ledger.write() as connection:
            audit.record(connection, actor="ada", action="apply", object="late", detail={}, at=noon)
            raise KeyError("after the entry")

    with pytest.raises(KeyError):
        fail()
    write(ledger, noon, 2)
    assert [entry.seq for entry in audit.entries(ledger)] == [1, 2]
    assert audit.verify(ledger) is None


def test_racing_writers_make_one_chain(ledger, noon) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write(ledger, noon, n), range(40)))
    assert [entry.seq for entry in audit.entries(ledger)] == list(range(1, 41))
    assert audit.verify(ledger) is None


EDITS = [
    {"actor": "mallory"},
    {"action": "forget"},
    {"object": "other"},
    {"detail": {"n": 99, "identity": "unverified"}},
    {"previous": "f" * 64},
    {"digest": "f" * 64},
]


@pytest.mark.parametrize("seq", [1, 3, 5])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: next(iter(edit)))
def test_an_edited_entry_is_found(ledger, noon, edit, seq: int, tamper) -> None:
    for n in range(5):
        write(ledger, noon, n)
    tamper(sa.update(table).where(table.c.seq == seq).values(edit))
    broken = audit.verify(ledger)
    assert broken is not None
    assert broken.seq == seq
    assert f"entry {seq} " in broken.sentence


def test_a_moved_time_is_found(ledger, noon, tamper) -> None:
    write(ledger, noon, 1)
    tamper(sa.update(table).values(at=noon + timedelta(microseconds=1)))
    assert audit.verify(ledger).seq == 1


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_removed_entry_is_found(ledger, noon, seq: int, tamper) -> None:
    for n in range(5):
        write(ledger, noon, n)
    tamper(sa.delete(table).where(table.c.seq == seq))
    broken = audit.verify(ledger)
    assert broken is not None
    assert broken.seq == seq
    assert "missing" in broken.sentence


def test_an_entry_removed_at_the_end_is_still_found_after_more_was_written(ledger, noon, tamper) -> None:
    for n in range(3):
        write(ledger, noon, n)
    tamper(sa.delete(table).where(table.c.seq == 3))
    write(ledger, noon, 4)
    assert audit.verify(ledger).sentence == "Audit entry 3 is missing: somebody removed it from the ledger"


def test_a_trail_emptied_as_a_whole_is_found(ledger, noon, tamper) -> None:
    for n in range(3):
        write(ledger, noon, n)
    tamper(sa.delete(table))
    assert "missing at the end" in audit.verify(ledger).sentence


def forged(entry: audit.Entry, **change) -> dict:
    """An entry as somebody who knows this code would forge it."""
    made = audit.Entry(**{**vars(entry), **change})
    return {**vars(made), "digest": made.expected()}


def test_a_well_made_entry_put_in_at_the_end_is_found(ledger, noon, tamper) -> None:
    first = write(ledger, noon, 1)
    tamper(sa.insert(table).values(forged(first, seq=2, previous=first.digest)))
    assert "put in at the end" in audit.verify(ledger).sentence


def test_a_well_made_entry_put_in_before_the_first_is_found(ledger, noon, tamper) -> None:
    first = write(ledger, noon, 1)
    tamper(sa.insert(table).values(forged(first, seq=0)))
    assert audit.verify(ledger).sentence == "Audit entry 0 was put in: the numbers of a trail begin at 1"


def test_a_well_made_entry_exchanged_in_the_middle_is_found(ledger, noon, tamper) -> None:
    made = [write(ledger, noon, n) for n in range(3)]
    tamper(sa.update(table).where(table.c.seq == 2).values(forged(made[1], actor="mallory")))
    assert audit.verify(ledger).seq == 3


def test_a_trail_written_anew_is_found_by_a_digest_noted_before(ledger, noon, tamper) -> None:
    made = [write(ledger, noon, n) for n in range(2)]
    tamper(sa.delete(table).where(table.c.seq == 2))
    new = forged(made[1], actor="mallory")
    tamper(sa.insert(table).values(new))
    kept = {"seq": 2, "digest": new["digest"]}
    tamper(sa.update(schema.marks).where(schema.marks.c.name == audit.HEAD).values(value=kept))
    assert audit.verify(ledger) is None
    assert "written anew" in audit.verify(ledger, known=made[1].digest).sentence
    assert audit.verify(ledger, known=made[0].digest) is None


@pytest.fixture
def promoted(ledger, train, judge, noon):
    for number in (1, 2):
        train()
        transition(ledger, "late", action="promote", to=number, verdict=judge(number), by="ada", reason="new", at=noon)
    assert audit.verify(ledger) is None
    return ledger


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (sa.update(schema.rollouts).values(live=1), "Model 'late' has version 1 live, which no transition made so"),
        (sa.delete(schema.rollouts), "Model 'late' has lost its rollout, version 2 was live"),
        (
            sa.update(schema.transitions).where(schema.transitions.c.sequence == 2).values(by="bob"),
            "Transition 2 of model 'late' says otherwise than audit entry 4",
        ),
        (
            sa.delete(schema.transitions).where(schema.transitions.c.sequence == 1),
            "Transition 1 of model 'late' of audit entry 2 is missing",
        ),
    ],
)
def test_what_is_live_must_agree_with_the_trail(promoted, statement, sentence: str, tamper) -> None:
    tamper(statement)
    assert sentence in audit.verify(promoted).sentence


SECOND = sa.update(schema.verdicts).where(schema.verdicts.c.number == 2)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (SECOND.values(passed=False), "somebody edited it"),
        (SECOND.values(checks=[]), "somebody edited it"),
        (SECOND.values(digest="f" * 64), "somebody edited it"),
        (
            sa.delete(schema.verdicts).where(schema.verdicts.c.number == 1),
            "which let version 1 of model 'late' out, is missing",
        ),
    ],
)
def test_a_verdict_that_no_longer_says_what_it_said_is_found(promoted, statement, sentence: str, tamper) -> None:
    tamper(statement)
    said = audit.verify(promoted).sentence
    assert said.startswith("Verdict ")
    assert sentence in said


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            sa.update(schema.versions).values(digest="other").where(schema.versions.c.number == 2),
            "says otherwise than audit entry",
        ),
        (sa.update(schema.versions).values(summary={"metrics": {"roc_auc": 0.99}}), "edited its figures, its lineage"),
        (
            sa.update(schema.versions).values(lineage={}).where(schema.versions.c.number == 1),
            "Version 1 of model 'late' has other",
        ),
        (sa.update(schema.versions).values(created_by="eve"), "or who made it"),
    ],
)
def test_a_version_that_says_otherwise_than_at_first_is_found(promoted, statement, sentence: str, tamper) -> None:
    tamper(statement)
    said = audit.verify(promoted).sentence
    assert said.startswith("Version ")
    assert sentence in said


def test_a_verdict_made_up_anew_is_not_the_one_that_let_the_version_out(promoted, noon, tamper) -> None:
    tamper(sa.delete(schema.verdicts).where(schema.verdicts.c.number == 2))
    with promoted.write() as connection:
        verdicts.write(connection, "late", 2, noon, [{"name": "floors", "passed": True, "says": "better"}])
    assert "which let version 2 of model 'late' out, is missing" in audit.verify(promoted).sentence


def test_a_transition_put_in_by_hand_is_found(promoted, noon, tamper) -> None:
    row = {"model": "late", "sequence": 3, "action": "promote", "from_version": 2, "to_version": 1}
    tamper(sa.insert(schema.transitions).values(**row, at=noon, by="mallory"))
    assert "Transition 3 of model 'late' is not in the trail" in audit.verify(promoted).sentence
