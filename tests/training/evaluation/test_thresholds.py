"""Value by threshold and by capacity: no figure comes from the rows that chose it."""

import json

import msgspec
import numpy as np
import polars as pl
import pytest

from outlast.project.contract import parse_contract
from outlast.training.evaluation.thresholds import capacity, thresholds
from outlast.training.evaluation.value import Scored

MONEY = "[value]\npayoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }\n"
DAY = 86_400_000_000


def scored(rows: int = 4000, *, seed: int = 0, contract: str = MONEY, bend: float = 1.0) -> Scored:
    """A binary task whose chances are right with `bend` 1 and too bold above."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.2, rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    chance = 1 / (1 + np.exp(-odds * bend))
    frame = pl.DataFrame({"price": rng.gamma(2, 5, rows)})
    return Scored(parse_contract(contract), "binary", ["no", "yes"], frame, np.column_stack([1 - chance, chance]), y)


def test_the_curve_says_what_each_threshold_earned() -> None:
    made = scored()
    found = thresholds(made, 4 / 14, seed=0)
    assert found is not None
    assert (found["above"], found["below"]) == ("call", "wait")
    for point in found["curve"][::7]:
        acts = made.table[:, 1] >= point["threshold"]
        earned = np.where(acts, np.where(made.y == 1, 10, -4), 0)
        assert point["value"] == pytest.approx(earned.mean())
        assert point["share"] == pytest.approx(acts.mean())
        assert point["high"] - point["value"] == pytest.approx(1.96 * earned.std(ddof=1) / len(earned) ** 0.5, rel=1e-3)


def test_where_chances_are_right_nothing_is_gained_over_the_payoffs_threshold() -> None:
    found = thresholds(scored(20_000), 4 / 14, seed=0)
    assert found is not None
    assert found["gain"]["low"] < 0.02
    assert found["best"]["threshold"] == pytest.approx(4 / 14, abs=0.08)


def test_where_chances_are_wrong_another_threshold_is_better() -> None:
    found = thresholds(scored(20_000, bend=4.0), 4 / 14, seed=0)
    assert found is not None
    assert found["gain"]["low"] > 0
    assert found["best"]["threshold"] < 0.1


def test_where_acting_never_pays_the_best_is_never() -> None:
    dear = MONEY.replace("yes = 10", "yes = -1")
    found = thresholds(scored(500, contract=dear), None, seed=0)
    assert found is not None
    assert found["best"]["threshold"] > 1
    assert found["best"]["value"]["value"] == 0
    json.loads(msgspec.json.encode(found))  # plain values only


def test_the_best_threshold_does_not_flatter_itself() -> None:
    """Chances that say nothing: the best threshold of few rows seems to earn; on other rows it does not."""
    gained, seemed = [], []
    for seed in range(60):
        made = scored(60, seed=seed)
        blind = np.random.default_rng(1000 + seed).random(60) * 0.5
        y = (np.random.default_rng(2000 + seed).random(60) < 4 / 14).astype(np.int64)  # calling is worth nothing
        table = np.column_stack([1 - blind, blind])
        found = thresholds(Scored(made.contract, "binary", made.classes, made.rows, table, y), 4 / 14, seed=seed)
        assert found is not None
        gained.append(found["best"]["value"]["value"])
        seemed.append(max(point["value"] for point in found["curve"]))
    assert np.mean(seemed) > 0.5
    assert abs(np.mean(gained)) < 3 * np.std(gained) / 60**0.5


def test_decisions_may_stand_in_any_order_and_payoffs_come_from_columns() -> None:
    turned = "[value]\npayoff = { ship = { yes = -9, no = 5 }, hold = { yes = 0, no = 0 } }\n"
    found = thresholds(scored(contract=turned), 5 / 14, seed=0)
    assert found is not None
    assert (found["above"], found["below"]) == ("hold", "ship")
    priced = thresholds(scored(contract=MONEY.replace("yes = 10", 'yes = "price"')), None, seed=0)
    assert priced is not None
    assert priced["implied"]["threshold"] is None
    assert priced["implied"]["value"]["value"] > priced["best"]["value"]["value"], "each row knows its own price"


@pytest.mark.parametrize("contract", ["", MONEY.replace("wait =", "write = { yes = 1, no = -1 }, wait =")])
def test_without_two_decisions_there_is_no_threshold(contract: str) -> None:
    assert thresholds(scored(100, contract=contract), None, seed=0) is None


def test_a_capacity_takes_the_best_of_each_day() -> None:
    made = scored(1000, contract=f"{MONEY}capacity = 10\n")
    day = np.arange(1000) // 100
    found = capacity(made, (day * DAY).astype(float), 1.0)
    assert found is not None
    chance = made.table[:, 1]
    best = np.concatenate([day_rows[np.argsort(-chance[day_rows])][:10] for day_rows in np.split(np.arange(1000), 10)])
    earned = np.where(made.y[best] == 1, 10, -4).sum() / 1000
    assert found["value"]["value"] == pytest.approx(earned)
    assert (found["share"], found["days"], found["full_days"]) == (0.1, 10, 10)
    assert found["acted_a_day"] == 10
    assert found["wanted_a_day"] == pytest.approx((chance > 4 / 14).sum() / 10)
    assert (chance >= found["threshold"]).sum() == 100


def test_more_capacity_than_is_worth_acting_on_is_left() -> None:
    made = scored(1000, contract=f"{MONEY}capacity = 5000\n")
    found = capacity(made, np.zeros(1000), 1.0)
    assert found is not None
    assert found["share"] == pytest.approx((made.table[:, 1] > 4 / 14).mean())
    assert found["full_days"] == 0


def test_of_a_part_of_each_day_the_same_part_of_the_capacity_is_used() -> None:
    found = capacity(scored(1000, contract=f"{MONEY}capacity = 40\n"), np.zeros(1000), 0.25)
    assert found is not None
    assert found["share"] == 0.01
    assert found["acted_a_day"] == 40
    assert "25% of each day's" in found["assumes"]


@pytest.mark.parametrize(
    ("contract", "timed", "says"),
    [
        (f"{MONEY}capacity = 10\n", False, "the questions have no time"),
        ("[value]\ncapacity = 10\n", True, "the contract names no payoffs"),
        (MONEY.replace("wait =", "write = { yes = 1, no = -1 }, wait =") + "capacity = 1\n", True, "has 3 decisions"),
    ],
)
def test_where_a_capacity_means_nothing_it_is_said_why(contract: str, timed: bool, says: str) -> None:
    found = capacity(scored(50, contract=contract), np.zeros(50) if timed else None, 1.0)
    assert found is not None
    assert says in found["reason"]


def test_no_capacity_is_nothing_to_say() -> None:
    assert capacity(scored(50), np.zeros(50), 1.0) is None
