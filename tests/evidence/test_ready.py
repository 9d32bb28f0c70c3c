"""Whether a model lasts: every answer from evidence, and from nothing else."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from outlast.evidence.asking import QUESTIONS
from outlast.evidence.ready import ready
from outlast.evidence.told import Answer, Ready
from outlast.gates.promote import promote
from outlast.gates.verdict import PER_1000
from outlast.project.contract import ScoringSection, parse_contract
from outlast.project.workspace import Workspace
from outlast.registry import contracts, verdicts
from outlast.registry.backup.taking import backup
from outlast.registry.declarations import folder_of
from outlast.registry.tokens import Wanted, create
from outlast.registry.versions import find
from outlast.serving.scoring.planned import Last, due_at, note
from outlast.storage.ledger import schema
from outlast.types import ModelRef, Verified, now


def asked(workspace: Workspace, **changed: object) -> Ready:
    version = find(workspace.ledger, ModelRef("late-orders"))
    summary = {**version.summary, **changed}
    return ready(workspace, replace(version, summary=summary), now=now())


def answer(workspace: Workspace, question: str, **changed: object) -> Answer:
    (found,) = [one for one in asked(workspace, **changed).answers if one.question.startswith(question)]
    return found


def let_out(workspace: Workspace, by: str = "ada") -> None:
    promote(workspace, ModelRef("late-orders", 1), by=by, reason="first", now=now())


def test_a_version_nobody_judged_is_not_ready(known: Workspace) -> None:
    found = asked(known)
    assert not found.ready
    assert found.count(True) + found.count(False) + found.count(None) == len(found.answers)
    asked_of_all = [question for group in QUESTIONS.values() for question in group]
    asked_of_all.remove("Is its table scored in time?")  # it has none
    assert [one.question for one in found.answers] == asked_of_all
    for one in found.answers:
        assert one.rests_on, one.question
        assert one.yes or one.next, one.question


def test_what_is_there_is_answered_by_yes(known: Workspace, tmp_path: Path) -> None:
    create(known.ledger, Wanted("eve", ("operate",)), by="ada", at=now())
    let_out(known, Verified("eve", "t1"))
    backup(known, tmp_path / "b.tar", by="ada", now=now())
    found = {one.question: one.yes for one in asked(known).answers}
    for question in (
        "Is the data it learned from kept?",
        "Is the code that made it known?",
        "Are its bytes what they were?",
        "Was it backed up lately?",
        "Did it pass the gate?",
        "Are its answers those of training?",
        "Does somebody answer for it, with a runbook?",
        "Is it known who may do what?",
        "Is it proven who made it live?",
        "Is the audit trail whole?",
        "Is there something below the full model?",
    ):
        assert found[question] is True, question
    for question in ("Is it watched?", "Is there a version to go back to?", "Does somebody hear of trouble?"):
        assert found[question] is False, question
    assert found["Is it worth it live?"] is None


def no_runbook(workspace: Workspace) -> None:
    (workspace.root / "RUNBOOK.md").unlink()


def damaged(workspace: Workspace) -> None:
    for bundle in (workspace.home / "artifacts").glob("??/*"):
        os.chmod(bundle, 0o600)
        bundle.write_bytes(b"x")


def edited(workspace: Workspace) -> None:
    with workspace.ledger.write() as connection:
        for what in ("update", "delete"):
            connection.execute(sa.text(f"DROP TRIGGER IF EXISTS audit_no_{what}"))
        connection.execute(sa.update(schema.audit).where(schema.audit.c.seq == 1).values(actor="eve"))


def no_snapshot(workspace: Workspace) -> None:
    for name in workspace.tables.names():
        workspace.tables.delete(name)


def old_backup(workspace: Workspace) -> None:
    backup(workspace, workspace.root / "b", by="ada", now=now() - timedelta(days=8))


def unverified(workspace: Workspace) -> None:
    let_out(workspace)


@pytest.mark.parametrize(
    ("happens", "question", "says"),
    [
        (no_runbook, "Does somebody answer", "does not exist or is empty"),
        (damaged, "Are its bytes", "is damaged"),
        (edited, "Is the audit trail", "somebody edited it"),
        (no_snapshot, "Is the data", "is gone"),
        (old_backup, "Was it backed up", "8d ago"),
        (unverified, "Is it proven", "unverified"),
    ],
)
def test_what_is_gone_or_wrong_is_answered_by_no(
    known: Workspace, happens: Callable[[Workspace], None], question: str, says: str
) -> None:
    happens(known)
    found = answer(known, question)
    assert found.yes is False
    assert says in found.rests_on
    assert found.next


@pytest.mark.parametrize(
    ("question", "changed", "yes"),
    [
        ("Is it worth more", {"value": None}, None),
        ("Is it worth more", {"value": {"low": -0.1, "high": 1.0, "currency": "EUR", "against": "nobody acts"}}, False),
        ("Is it worth more", {"value": {"low": 0.1, "high": 1.0, "currency": "EUR", "against": "nobody acts"}}, True),
    ],
)
def test_value_is_judged_by_its_low_end(known: Workspace, question: str, changed: dict, yes: bool | None) -> None:
    assert answer(known, question, **changed).yes is yes


def test_a_backup_that_was_moved_is_not_known(known: Workspace, tmp_path: Path) -> None:
    backup(known, tmp_path / "b.tar", by="ada", now=now())
    (tmp_path / "b.tar").unlink()
    assert answer(known, "Was it backed up").yes is None


def outside(workspace: Workspace, **audit: str) -> Workspace:
    """The same workspace, with heads noted as its declaration says."""
    workspace.ledger.dispose()
    (workspace.root / "workspace.toml").write_text(
        "[audit]\n" + "".join(f'{name} = "{said}"\n' for name, said in audit.items())
    )
    return Workspace.find(workspace.root)


def test_heads_count_as_outside_where_they_are_away_from_what_they_watch(known: Workspace, tmp_path: Path) -> None:
    question = "Is its head noted"
    assert answer(known, question).yes is None
    away = outside(known, heads=str(tmp_path / "away" / "heads.jsonl"))
    assert answer(away, question).yes is True
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        untold = outside(known, webhook=f"http://127.0.0.1:{deaf.getsockname()[1]}/secret")
        found = answer(untold, question)
    assert (found.yes, "the webhook knows none of" in found.rests_on) == (False, True)


def test_what_answers_cost_is_told_in_money_where_there_is_a_price(known: Workspace) -> None:
    said = [{"name": "latency", "passed": True, "says": "", "evidence": {PER_1000: 7.2}}]
    with known.ledger.write() as connection:
        verdicts.write(connection, "late-orders", 1, now(), said)
    question = "Is it known what 1,000 answers cost"
    found = answer(known, question)
    assert (found.yes, found.rests_on.split(", ")[0]) == (True, "7.2 CPU seconds")
    (known.root / "workspace.toml").write_text('[costs]\ncpu_hour = 0.05\ncurrency = "CHF"\n')
    priced = answer(Workspace.find(known.root), question)
    assert priced.rests_on.startswith("7.2 CPU seconds (0.0001 CHF), by the gate's own server")
    assert priced.next is None


def test_questions_are_asked_once() -> None:
    asked = [question for group in QUESTIONS.values() for question in group]
    assert len(asked) == len(set(asked))
    assert all(question.endswith("?") for question in asked)


def test_a_plan_to_retrain_is_no_evidence_that_somebody_does(known: Workspace) -> None:
    version = find(known.ledger, ModelRef("late-orders"))
    contract = {**version.summary["contract"], "retraining": {"policy": "approval", "schedule": "30d"}}
    planned = replace(version, summary={**version.summary, "contract": contract})

    def said(days: int) -> Answer:
        found = ready(known, planned, now=version.created_at + timedelta(days=days))
        return next(one for one in found.answers if one.question.startswith("Is a successor"))

    assert (said(29).yes, said(31).yes) == (True, False)
    assert said(31).rests_on == "late-orders@1 was trained 31d ago, one is due every 30d"
    contract["retraining"] = {"policy": "approval", "triggers": ["harm"]}
    assert said(1).yes is None
    assert "ticks train one for harm, which none was yet" in said(1).rests_on


@pytest.mark.parametrize(
    ("after", "done", "later", "yes"),
    [
        (timedelta(0), True, timedelta(minutes=5), True),
        (timedelta(0), True, timedelta(hours=2), False),
        (timedelta(0), False, timedelta(minutes=5), False),
        (timedelta(days=-1), True, timedelta(minutes=5), False),
    ],
)
def test_a_table_is_asked_about_where_one_is_scheduled(known: Workspace, after, done: bool, later, yes: bool) -> None:
    deadline = "1h" if done and not after else "1ms"
    plan = {"input": "a.parquet", "output": "b.parquet", "schedule": "2d", "deadline": deadline}
    contract = parse_contract((folder_of(known, "late-orders") / "outlast.toml").read_text())
    live = contract.model_copy(update={"scoring": ScoringSection.model_validate(plan)})
    contracts.apply(known.ledger, "late-orders", live, by="ada", at=now())
    assert answer(known, "Is its table scored in time?").yes is None
    due = due_at("2d", now()) + after
    with known.ledger.write() as connection:
        note(connection, "late-orders", Last(due, done, due + later, 1, "b.parquet", "" if done else "gone", 5))
    assert answer(known, "Is its table scored in time?").yes is yes
