"""Money per decision: the same decisions as serving makes, payoffs from columns, baselines of every kind."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from outlast.bundle.decisions import decider, worth_of
from outlast.errors import ContractError
from outlast.project.contract import parse_contract
from outlast.training.evaluation.value import (
    Scored,
    baseline,
    decide_all,
    decided,
    decision_worth,
    require_money,
    value_of,
)

COLUMN = '[value]\npayoff = { call = { yes = "price", no = -4 }, wait = { yes = 0, no = "fee" } }\n'
THREE = (
    '[model]\ntask = "multiclass"\n[value]\n'
    "payoff = { van = { fast = -3, slow = 8, lost = -1 }, call = { fast = -1, slow = 2, lost = 9 }, "
    "wait = { lost = -0.1, fast = 0.3, slow = 0.1 } }\n"
)
RNG = np.random.default_rng(3)
ROWS = pl.DataFrame(
    {"price": [1.5, None, float("nan"), 30.0, 7.25] * 40, "fee": [0, 1, 2, None, 3] * 40, "shop": ["a", "b"] * 100}
)


def made(contract: str, classes: list[str], rows: pl.DataFrame = ROWS) -> Scored:
    found = parse_contract(contract)
    table = RNG.dirichlet(np.ones(len(classes)), rows.height).round(2)
    task = found.model.task or "binary"
    return Scored(found, task, classes, rows, table, RNG.integers(0, len(classes), rows.height))


CASES = {
    "columns": (COLUMN, ["no", "yes"]),
    "numbers": (COLUMN.replace('"price"', "10").replace('"fee"', "0"), ["no", "yes"]),
    "no payoffs": ("", ["no", "yes"]),
    "three decisions": (THREE, ["fast", "lost", "slow"]),
}


@pytest.mark.parametrize("case", CASES)
def test_decisions_are_those_that_serving_makes(case: str) -> None:
    scored = made(*CASES[case])
    decide = decider(scored.contract, scored.task, scored.classes)
    one_by_one = [
        decide(dict(zip(scored.outcomes, chances, strict=True)), row)
        for chances, row in zip(scored.table.tolist(), scored.rows.to_dicts(), strict=True)
    ]
    assert decide_all(scored) == one_by_one
    assert len(set(one_by_one)) > 1


@pytest.mark.parametrize("case", ["columns", "numbers", "three decisions"])
def test_worth_is_what_the_payoffs_say_of_what_happened(case: str) -> None:
    scored = made(*CASES[case])
    names = list(scored.payoff)
    expected = [
        worth_of(scored.payoff[names[decision]][scored.outcomes[code]], row)
        for decision, code, row in zip(decided(scored), scored.y, scored.rows.to_dicts(), strict=True)
    ]
    assert decision_worth(scored, decided(scored)).tolist() == expected


@pytest.mark.parametrize(
    ("rule", "acts"),
    [
        ("nobody acts", []),
        ("everybody acts", [0, 1, 2, 3, 4]),
        ("call", [0, 1, 2, 3, 4]),
        ("wait", []),
        ("price > 5", [2, 3, 4]),  # NaN is larger than any number in Polars; null says nothing
        ("shop = 'a' AND price < 5", [0]),
        ("true", [0, 1, 2, 3, 4]),
    ],
)
def test_a_baseline_is_nobody_everybody_a_decision_or_a_rule(rule: str, acts: list[int]) -> None:
    scored = made(f'{COLUMN}baseline = "{rule}"\n', ["no", "yes"], ROWS.head(5))
    assert np.flatnonzero(baseline(scored) == 0).tolist() == acts
    assert value_of(scored, 0) is not None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"price"', '"prise"', "a payoff reads the column 'prise', which is neither an ask nor a feature"),
        ('"price"', '"shop"', "a payoff reads the column 'shop', which holds 'a': expected numbers"),
        (
            "[value]",
            '[value]\nbaseline = "prise > 3"',
            "'value.baseline' is 'prise > 3', which cannot be read",
        ),
        ("[value]", '[value]\nbaseline = "price"', "it gives Float64, not yes or no"),
        ("[value]", '[value]\nbaseline = "price >"', "cannot be read as a rule"),
        ("yes = 0,", "", "'value.payoff.wait' names the outcomes no: expected no, yes"),
    ],
)
def test_money_that_rows_cannot_answer_is_refused_before_fitting(old: str, new: str, says: str) -> None:
    contract = parse_contract(COLUMN.replace(old, new))
    with pytest.raises(ContractError, match=says):
        require_money(contract, ROWS, "binary", ["no", "yes"])


def test_a_unit_of_error_may_be_a_column() -> None:
    rows: dict[str, Any] = {"weight": [-1.0, -2.0, None]}
    contract = parse_contract('[model]\ntask = "regression"\n[value]\nper_unit_error = "weight"\n')
    scored = Scored(
        contract, "regression", [], pl.DataFrame(rows), np.array([[1.0], [5.0], [9.0]]), np.array([2, 4, 6])
    )
    found = value_of(scored, 0)
    assert found is not None
    assert found["model"] == pytest.approx(-1)
    assert found["baseline"] == pytest.approx(-2 / 3)
    with pytest.raises(ContractError, match="reads the column 'weight'"):
        require_money(contract, pl.DataFrame({"x": [1]}), "regression", [])


@pytest.mark.parametrize("first", ["yes = 10, no = -4", "no = -4, yes = 10"])
def test_every_order_of_outcomes_reads_the_same(first: str) -> None:
    contract = parse_contract(f"[value]\npayoff = {{ call = {{ {first} }}, wait = {{ yes = 0, no = 0 }} }}\n")
    table = np.tile([0.7, 0.3], (200, 1))
    assert set(decide_all(Scored(contract, "binary", ["no", "yes"], ROWS, table, np.ones(200)))) == {"call"}


@pytest.mark.parametrize(
    ("contract", "classes", "said"),
    [
        (COLUMN, ["no", "yes"], "nobody acts"),
        (THREE, ["fast", "lost", "slow"], "nobody acts: always wait"),
        (THREE + 'baseline = "everybody acts"\n', ["fast", "lost", "slow"], "everybody acts: always van"),
        (THREE + 'baseline = "call"\n', ["fast", "lost", "slow"], "call"),
    ],
)
def test_of_three_decisions_the_baseline_says_which_it_takes(contract: str, classes: list[str], said: str) -> None:
    found = value_of(made(contract, classes), seed=0)
    assert found is not None
    assert found["against"] == said
