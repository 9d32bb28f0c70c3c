"""The decision is the one with the greatest expected payoff, checked against adding it up by hand."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.bundle.decisions import check_payoff, decider, outcomes, threshold, worth_of
from outlast.errors import ContractError
from outlast.project.contract import Contract

CALL = {"call": {"yes": 10, "no": -4}, "wait": {"yes": 0, "no": 0}}
amounts = st.integers(-20, 20).map(float)
payoffs = st.tuples(amounts, amounts, amounts, amounts).map(
    lambda a: {"act": {"yes": a[0], "no": a[1]}, "wait": {"yes": a[2], "no": a[3]}}
)


def contract(payoff: Any) -> Contract:
    return Contract.model_validate({"value": {"payoff": payoff}})


def expected(payoff: Any, chance: float) -> dict[str, float]:
    return {name: chance * row["yes"] + (1 - chance) * row["no"] for name, row in payoff.items()}


@given(payoffs, st.floats(0, 1))
def test_the_decision_has_the_greatest_expected_payoff(payoff: Any, chance: float) -> None:
    chosen = decider(contract(payoff), "binary", [])({"no": 1 - chance, "yes": chance}, {})
    worth = expected(payoff, chance)
    assert worth[chosen] == pytest.approx(max(worth.values()), abs=1e-9)


@given(payoffs)
def test_the_threshold_is_where_the_better_decision_changes(payoff: Any) -> None:
    """By brute force: scan the probabilities for a change of the better decision."""
    edge = threshold(contract(payoff))
    act, wait = ({k: payoff[name][k] for k in ("yes", "no")} for name in ("act", "wait"))
    grid = np.linspace(0, 1, 2001)
    lead = grid * (act["yes"] - wait["yes"]) + (1 - grid) * (act["no"] - wait["no"])
    changes = np.flatnonzero(np.sign(lead[:-1]) * np.sign(lead[1:]) < 0)
    if edge is None:
        assert not len(changes)
        return
    assert edge * (act["yes"] - wait["yes"]) + (1 - edge) * (act["no"] - wait["no"]) == pytest.approx(0, abs=1e-9)
    for place in changes:
        assert grid[place] <= edge <= grid[place + 1]


def test_the_threshold_of_the_readme() -> None:
    assert threshold(contract(CALL)) == pytest.approx(4 / 14)
    assert threshold(contract(None)) == 0.5
    assert threshold(contract({**CALL, "ask": {"yes": 1, "no": 1}})) is None
    assert threshold(contract({"call": {"yes": "worth", "no": -4}, "wait": {"yes": 0, "no": 0}})) is None


def test_a_payoff_may_be_a_column() -> None:
    payoff = {"call": {"yes": "saved", "no": -4}, "wait": {"yes": 0, "no": 0}}
    decide = decider(contract(payoff), "binary", [])
    even = {"no": 0.5, "yes": 0.5}
    assert decide(even, {"saved": 5}) == "call"
    assert decide(even, {"saved": 3.5}) == "wait"
    assert decide(even, {"saved": None}) == decide(even, {"saved": math.nan}) == decide(even, {}) == "wait"


def test_a_column_of_words_is_no_payoff() -> None:
    with pytest.raises(ContractError, match=r"reads the column 'saved', which holds 'much': expected numbers"):
        worth_of("saved", {"saved": "much"})


def test_several_classes_have_a_payoff_each() -> None:
    payoff = {"road": {"fast": 3, "slow": 0, "lost": -9}, "air": {"fast": 1, "slow": 1, "lost": 1}}
    decide = decider(contract(payoff), "multiclass", ["fast", "lost", "slow"])
    assert decide({"fast": 0.9, "slow": 0.1, "lost": 0.0}, {}) == "road"
    assert decide({"fast": 0.6, "slow": 0.2, "lost": 0.2}, {}) == "air"


def test_without_payoffs_the_likeliest_outcome_is_the_decision() -> None:
    assert decider(contract(None), "multiclass", ["a", "b", "c"])({"a": 0.2, "b": 0.5, "c": 0.3}, {}) == "b"


@pytest.mark.parametrize("amounts", [{"yes": 1}, {"yes": 1, "no": 1, "maybe": 1}, {"slow road": 1, "no": 2}])
def test_payoffs_that_leave_an_outcome_out_are_refused_with_an_example(amounts: dict[str, float]) -> None:
    possible = outcomes("binary", [])
    with pytest.raises(
        ContractError, match=r"value.payoff.call.*expected no, yes. Example: call = \{ no = 0, yes = 0 \}"
    ):
        check_payoff({"call": amounts}, possible)


def test_an_outcome_with_a_space_is_quoted_in_the_example() -> None:
    with pytest.raises(ContractError, match=r'go = \{ "slow road" = 0 \}'):
        check_payoff({"go": {}}, ["slow road"])
