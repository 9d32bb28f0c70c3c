"""A loss for every decision in whole thousandths: of classes, of money, of amounts, one row exactly as many."""

from typing import Any

import numpy as np
import pytest

from outlast.data.past import LossScale
from outlast.data.past.loss import UNKNOWN, fitted

PAYOFF: dict[str, dict[str, float | str]] = {"act": {"yes": 10.0, "no": -4.0}, "wait": {"yes": 0.0, "no": 0.0}}
BY_COLUMN: dict[str, dict[str, float | str]] = {"act": {"yes": "prize", "no": -4.0}, "wait": {"yes": 0.0, "no": 0.0}}


def columns(**values: list[float]) -> Any:
    return lambda name: np.array(values[name])


def test_without_money_another_outcome_than_decided_is_the_whole_loss() -> None:
    scale = fitted(LossScale("error", ["a", "b", "c"]), [], [], columns())
    assert scale.mills(["a", "b", "c", "z", "a"], ["a", "c", "b", "a", None]).tolist() == [0, 1000, 1000, -1, -1]
    assert scale.money is None


def test_the_dearest_mistake_of_a_table_is_the_whole_loss() -> None:
    scale = fitted(LossScale("payoff", ["no", "yes"], PAYOFF), [], [], columns())
    assert scale.span == 10
    assert scale.money == pytest.approx(0.01)
    decided, happened = ["act", "act", "wait", "wait", "default"], ["yes", "no", "yes", "no", "yes"]
    assert scale.mills(decided, happened).tolist() == [0, 400, 1000, 0, UNKNOWN]


def test_payoffs_that_never_differ_lose_nothing() -> None:
    same: dict[str, dict[str, float | str]] = {"act": {"yes": 1.0, "no": 0.0}, "wait": {"yes": 1.0, "no": 0.0}}
    scale = fitted(LossScale("payoff", ["no", "yes"], same), [], [], columns())
    assert scale.mills(["act", "wait"], ["yes", "no"]).tolist() == [0, 0]


def test_amounts_in_the_row_are_scaled_by_what_one_row_of_a_thousand_exceeds() -> None:
    prizes = np.linspace(0, 100, 10_001)
    scale = LossScale("columns", ["no", "yes"], BY_COLUMN)
    scale = fitted(scale, ["wait"] * len(prizes), ["yes"] * len(prizes), lambda _: prizes)
    assert scale.span == pytest.approx(99.9)
    assert scale.columns == ["prize"]
    read = columns(prize=[50.0, 1e9, float("nan"), 50.0])
    assert scale.mills(["wait", "wait", "wait", "act"], ["yes"] * 4, read).tolist() == [501, 1000, 0, 0]


def test_of_amounts_the_squared_error_or_its_price_is_lost() -> None:
    truth = np.zeros(1001)
    squared = fitted(LossScale("squared"), np.linspace(0, 2, 1001), truth, columns())
    assert squared.mills([0.0, 1.0, 100.0, None], [0.0, 0.0, 0.0, 1.0]).tolist() == [0, 251, 1000, UNKNOWN]
    priced = fitted(LossScale("unit", unit=-2.5), np.linspace(0, 4, 1001), truth, columns())
    assert priced.span == pytest.approx(2.5 * 3.996)
    assert priced.mills([2.0, -2.0], [0.0, 0.0]).tolist() == [501, 501]


SCALES = [
    LossScale("error", ["no", "yes"]),
    LossScale("payoff", ["no", "yes"], PAYOFF, span=7.0),
    LossScale("columns", ["no", "yes"], BY_COLUMN, span=33.3),
    LossScale("squared", span=0.7),
    LossScale("unit", unit="prize", span=3.1),
]


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.kind)
def test_one_row_loses_what_it_loses_among_many(scale: LossScale) -> None:
    rng = np.random.default_rng(5)
    words = scale.kind not in ("squared", "unit")
    names = list(scale.payoff) or ["no", "yes"]
    decided = rng.choice(names, 200).tolist() if words else rng.normal(size=200).tolist()
    happened = rng.choice(["no", "yes"], 200).tolist() if words else rng.normal(size=200).tolist()
    prizes = rng.normal(0, 20, 200)
    many = scale.mills(decided, happened, lambda _: prizes).tolist()
    one = [
        scale.mills([d], [h], lambda _, p=p: np.array([p])).item()
        for d, h, p in zip(decided, happened, prizes, strict=True)
    ]
    assert many == one
    assert len(set(many)) > 1
