"""Each check passing, failing, and unable to say, which is not a pass."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outlast.gates.checks import contract_complete, data_sound, floors_held, worth_having
from outlast.gates.verdict import Check, conclude, keep, last_verdict
from outlast.project.contract import Contract, parse_contract
from outlast.registry.versions import Version, register
from outlast.storage.ledger import Ledger, open_ledger

NOW = datetime(2024, 6, 1, tzinfo=UTC)
WHOLE = """
[model]
problem = "Which orders will be late?"
owner = "orders@example.com"
[value]
payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }
[label]
delay = "2d"
[serving]
p99 = "50ms"
rate = 10
ladder = ["full", "default", "refuse"]
defaults = { decision = "wait" }
[retraining]
policy = "approval"
"""


def contract(old: str = "", new: str = "") -> Contract:
    assert old in WHOLE
    return parse_contract(WHOLE.replace(old, new))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "RUNBOOK.md").write_text("# Late orders\n\nCall the warehouse.\n")
    return tmp_path


def test_a_whole_contract_with_its_runbook_passes(folder: Path) -> None:
    assert contract_complete(contract(), folder, "binary").passed is True


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('problem = "Which orders will be late?"', "model.problem"),
        ('owner = "orders@example.com"', "model.owner"),
        ("payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }", "value.payoff"),
        ('delay = "2d"', "label.delay"),
        ('p99 = "50ms"', "serving.p99"),
        ("rate = 10", "serving.rate"),
        ('ladder = ["full", "default", "refuse"]', "serving.ladder"),
        ('defaults = { decision = "wait" }', "serving.defaults.decision"),
        ('policy = "approval"', "retraining.policy"),
    ],
)
def test_each_promise_that_is_not_made_is_named(folder: Path, line: str, key: str) -> None:
    found = contract_complete(contract(line), folder, "binary")
    assert found.passed is False
    assert key in found.says
    assert len(found.evidence["missing"]) == 1


TABLE = '\n[scoring]\ninput = "a.parquet"\noutput = "b.parquet"\nschedule = "1d"\n'
HTTP = 'p99 = "50ms"\nrate = 10\n'


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (WHOLE.replace(HTTP, "") + TABLE + 'deadline = "1h"\nrows = 100\n', []),
        (WHOLE.replace(HTTP, "") + TABLE, ["scoring.deadline", "scoring.rows"]),
        (WHOLE.replace("rate = 10\n", "") + TABLE + 'deadline = "1h"\nrows = 100\n', ["serving.rate"]),
        (WHOLE + TABLE + "rows = 100\n", ["scoring.deadline"]),
    ],
)
def test_what_is_only_scored_on_a_schedule_promises_a_deadline_and_no_latency(
    folder: Path, text: str, missing: list[str]
) -> None:
    assert contract_complete(parse_contract(text), folder, "binary").evidence.get("missing", []) == missing


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("orders@example.com", "  ", "model.owner"),
        ('ladder = ["full", "default", "refuse"]', "ladder = []", "serving.ladder"),
        ("owner =", 'runbook = ""\nowner =', "model.runbook"),
        ('decision = "wait"', 'decision = "wiat"', "'wiat' is no decision of value.payoff: did you mean 'wait'?"),
    ],
)
def test_an_empty_or_misspelt_promise_is_none(folder: Path, old: str, new: str, key: str) -> None:
    found = contract_complete(contract(old, new), folder, "binary")
    assert found.passed is False
    assert key in found.says


AMOUNT = ("payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }", "per_unit_error = -2")


@pytest.mark.parametrize(("default", "passed"), [("score = 3.5", True), ("decision = 3", True), ('score = "x"', False)])
def test_a_regression_falls_back_on_an_amount(folder: Path, default: str, passed: bool) -> None:
    text = WHOLE.replace(*AMOUNT).replace('decision = "wait"', default)
    assert contract_complete(parse_contract(text), folder, "regression").passed is passed


@pytest.mark.parametrize("content", [None, b"", b" \n\t\n"])
def test_a_runbook_that_is_missing_or_empty_fails(folder: Path, content: bytes | None) -> None:
    (folder / "RUNBOOK.md").unlink()
    if content is not None:
        (folder / "RUNBOOK.md").write_bytes(content)
    found = contract_complete(contract(), folder)
    assert found.passed is False
    assert "the runbook 'RUNBOOK.md' does not exist or is empty" in found.says


def test_a_runbook_in_another_alphabet_or_elsewhere_is_one(folder: Path) -> None:
    (folder / "RUNBOOK.md").write_bytes(b"\xff\xfe\x41")
    assert contract_complete(contract(), folder).passed is True
    there = contract("owner =", 'runbook = "https://wiki.example.com/late"\nowner =')
    assert contract_complete(there, None).passed is True


def test_a_runbook_that_cannot_be_seen_or_read_is_no_pass(folder: Path) -> None:
    assert contract_complete(contract(), None).passed is None
    (folder / "RUNBOOK.md").unlink()
    (folder / "RUNBOOK.md").symlink_to("RUNBOOK.md")
    assert contract_complete(contract(), folder).passed is not True


def violation(blocks: bool) -> dict[str, Any]:
    return {"source": "orders", "says": "Column 'weight' is missing", "blocks": blocks}


def test_data_blocks_only_by_a_rule_that_blocks() -> None:
    assert data_sound({"violations": []}).passed is True
    warned = data_sound({"violations": [violation(False)]})
    assert (warned.passed, "1 warning" in warned.says) == (True, True)
    broken = data_sound({"violations": [violation(False), violation(True)]})
    assert (broken.passed, broken.says) == (False, "orders: Column 'weight' is missing")
    assert data_sound({}).passed is None


def floors(text: str) -> Contract:
    return parse_contract(f"[gate]\nfloors = {{ {text} }}")


SUMMARY = {
    "metrics": {
        "roc_auc": {"value": 0.8, "low": 0.75, "high": 0.85},
        "brier": {"value": 0.1, "low": 0.05, "high": 0.15},
    },
    "value": {"per_decision": 2.0, "low": 1.5, "high": 2.5, "currency": "EUR", "against": "nobody acts"},
}


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("", True),
        ("roc_auc = 0.75", True),
        ("roc_auc = 0.76", False),
        ("brier = 0.15", True),
        ("brier = 0.14", False),
        ("value = 1.5", True),
        ("value = 1.6", False),
        ("r2 = 0.1", None),
        ("r2 = 0.1, roc_auc = 0.5", None),
        ("r2 = 0.1, roc_auc = 0.9", False),
    ],
)
def test_floors_are_held_at_the_bad_end_of_the_interval(text: str, passed: bool | None) -> None:
    assert floors_held(floors(text), SUMMARY).passed is passed


def test_a_floor_under_a_figure_that_is_no_number_is_not_held() -> None:
    metrics = {"roc_auc": {"value": 0.8, "low": float("nan"), "high": 0.9}}
    assert floors_held(floors("roc_auc = 0.1"), {"metrics": metrics}).passed is False
    assert floors_held(floors("value = 0"), {"metrics": {}, "value": None}).passed is None


@pytest.mark.parametrize(("low", "passed"), [(0.01, True), (0.0, False), (-0.5, False)])
def test_decisions_must_be_worth_more_than_the_baseline_with_confidence(low: float, passed: bool) -> None:
    assert worth_having({"value": {**SUMMARY["value"], "low": low}}).passed is passed


def test_without_money_it_cannot_be_said_what_a_decision_is_worth() -> None:
    assert worth_having({"value": None}).passed is None


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.dispose()


def version(ledger: Ledger) -> Version:
    return register(ledger, "late", digest="d" * 64, code_digest=None, task="binary", summary={"absent": ["slices"]},
                    lineage={}, by="ada", at=NOW)  # fmt: skip


GOOD, BAD, UNKNOWN = (Check(str(passed), passed, "so") for passed in (True, False, None))


def test_what_could_not_be_answered_stands_in_the_way(ledger: Ledger) -> None:
    one = version(ledger)
    assert conclude(one, [GOOD, GOOD], NOW).passed
    for stands in (BAD, UNKNOWN):
        verdict = conclude(one, [GOOD, stands], NOW)
        assert not verdict.passed
        assert verdict.failed == [stands]


def test_a_verdict_is_kept_as_it_was_and_the_newest_is_the_last_given(ledger: Ledger) -> None:
    one = version(ledger)
    assert last_verdict(ledger, one) is None
    for index, checks in enumerate([[GOOD], [BAD], [GOOD]]):
        verdict = conclude(one, checks, NOW + timedelta(hours=index))
        keep(ledger, verdict)
        keep(ledger, verdict)
        assert last_verdict(ledger, one) == verdict
    assert verdict.absent == ("slices",)


def test_a_verdict_is_named_by_the_bytes_it_is_about(ledger: Ledger) -> None:
    one = version(ledger)
    other = register(ledger, "late", digest="e" * 64, code_digest=None, task="binary", summary={}, lineage={}, by="a",
                     at=NOW)  # fmt: skip
    assert conclude(one, [GOOD], NOW).digest != conclude(other, [GOOD], NOW).digest
    assert conclude(one, [GOOD], NOW).digest == conclude(one, [GOOD], NOW).digest
