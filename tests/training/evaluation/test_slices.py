"""Slices: the declared ones with their figures, the worst ones found and confirmed on rows of their own."""

import numpy as np
import polars as pl
import pytest

from outlast.errors import ContractError
from outlast.project.contract import parse_contract
from outlast.training.evaluation.cuts import crossed, cut
from outlast.training.evaluation.metrics import metrics_of
from outlast.training.evaluation.slices import require_columns, slices_of
from outlast.training.evaluation.value import Scored

ROWS = 6000
MONEY = "[value]\npayoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }\n"


def scored(seed: int, *, bad: bool, contract: str = MONEY) -> Scored:
    """Where the shop is west and it weighs a lot, chances say nothing, if `bad`."""
    rng = np.random.default_rng(seed)
    shop, weight = rng.choice(["north", "south", "west"], ROWS), rng.gamma(2, 2, ROWS)
    odds = rng.normal(0, 1.5, ROWS)
    luck = (shop == "west") & (weight > 5) if bad else np.zeros(ROWS, dtype=bool)
    y = (rng.random(ROWS) < np.where(luck, 0.5, 1 / (1 + np.exp(-odds)))).astype(np.int64)
    chance = 1 / (1 + np.exp(-odds))
    rows = pl.DataFrame(
        {"shop": shop, "weight": weight, "noise": rng.normal(0, 1, ROWS), "few": ["a", *["b"] * (ROWS - 1)]}
    )
    return Scored(parse_contract(contract), "binary", ["no", "yes"], rows, np.column_stack([1 - chance, chance]), y)


def test_declared_slices_have_the_metric_and_the_money_of_their_rows() -> None:
    made = scored(1, bad=False)
    found = slices_of(made, ["shop"], seed=0)
    north = next(one for one in found["slices"] if one["says"] == "shop = north")
    here = (made.rows["shop"] == "north").to_numpy()
    area = metrics_of("binary", made.y[here], made.table[here])["roc_auc"](np.ones(int(here.sum())))
    assert (north["columns"], north["rows"], north["found"]) == (["shop"], int(here.sum()), False)
    assert north["metric"]["value"] == pytest.approx(area)
    assert north["metric"]["low"] < area < north["metric"]["high"]
    assert north["value"]["low"] < north["value"]["value"] < north["value"]["high"]


def test_a_slice_with_too_few_rows_is_said_and_not_judged() -> None:
    items = slices_of(scored(1, bad=False), ["few"], seed=0)["slices"]
    lone = next(one for one in items if one["says"] == "few = a")
    assert lone["metric"] is None
    assert lone["reason"] == "1 row, too few to say: 50 are needed"


def test_a_pair_that_is_bad_is_found_and_confirmed() -> None:
    found = [one for one in slices_of(scored(2, bad=True), [], seed=0)["slices"] if one["found"]]
    worst = found[0]
    assert sorted(worst["columns"]) == ["shop", "weight"]
    assert "shop = west" in worst["says"]
    assert worst["confirmed"]
    assert worst["metric"]["high"] < 0.65
    assert worst["rows"] < ROWS / 10, "only the rows of the other half count"


def test_where_nothing_is_bad_luck_is_not_confirmed() -> None:
    """Twenty models without a bad slice: a confirmation in one of twenty is what luck gives, four are too many."""
    lucky = 0
    for seed in range(20):
        items = slices_of(scored(100 + seed, bad=False), [], seed=seed)["slices"]
        lucky += any(one["confirmed"] for one in items if one["found"])
    assert lucky <= 3  # of binomial(20, 0.025) 4 or more come once in a thousand


@pytest.mark.parametrize("metric", ["log_loss", "brier", "accuracy"])
def test_every_metric_of_the_gate_can_judge_slices(metric: str) -> None:
    made = scored(3, bad=True, contract=f'{MONEY}[gate]\nmetric = "{metric}"\n')
    found = slices_of(made, ["shop"], seed=0)
    north = next(one for one in found["slices"] if one["says"] == "shop = north")
    here = (made.rows["shop"] == "north").to_numpy()
    expected = metrics_of("binary", made.y[here], made.table[here])[metric](np.ones(int(here.sum())))
    assert north["metric"]["value"] == pytest.approx(expected)
    assert any(one["confirmed"] and "shop = west" in one["says"] for one in found["slices"] if one["found"])


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_regressions_have_slices_too(metric: str) -> None:
    rng = np.random.default_rng(5)
    rows = pl.DataFrame({"kind": rng.choice(["a", "b"], 2000), "size": rng.normal(0, 1, 2000)})
    y = rng.normal(0, np.where(rows["kind"] == "b", 3.0, 1.0))
    contract = parse_contract(f'[gate]\nmetric = "{metric}"\n[value]\nper_unit_error = -2\n')
    made = Scored(contract, "regression", [], rows, np.zeros((2000, 1)), y)
    found = slices_of(made, ["kind"], seed=0)
    here = (rows["kind"] == "b").to_numpy()
    expected = metrics_of("regression", y[here], made.table[here])[metric](np.ones(int(here.sum())))
    shown = next(one for one in found["slices"] if one["says"] == "kind = b")
    assert shown["metric"]["value"] == pytest.approx(expected)
    assert shown["value"]["high"] < 1
    assert any(one["confirmed"] and "kind = b" in one["says"] for one in found["slices"] if one["found"])


def test_classes_have_slices_too() -> None:
    rng = np.random.default_rng(6)
    rows, y = pl.DataFrame({"kind": rng.choice(["a", "b"], 900)}), rng.integers(0, 3, 900)
    table = np.full((900, 3), 0.1)
    table[np.arange(900), np.where(rows["kind"] == "b", (y + 1) % 3, y)] = 0.8
    found = slices_of(Scored(parse_contract(""), "multiclass", ["x", "y", "z"], rows, table, y), [], seed=0)
    assert [one["says"] for one in found["slices"] if one["confirmed"]] == ["kind = b"]
    assert found["slices"][0]["value"] is None


def test_few_rows_are_searched_for_nothing() -> None:
    made = scored(1, bad=False)
    few = Scored(made.contract, "binary", made.classes, made.rows.head(60), made.table[:60], made.y[:60])
    assert slices_of(few, [], seed=0)["slices"] == []


@pytest.mark.parametrize(
    ("contract", "says"),
    [
        ('slices = ["shpo"]', "'gate.slices' names the column 'shpo', which is neither an ask nor a feature: .*shop"),
        ('metric = "roc"', "'gate.metric' is 'roc', which is no metric of a binary model"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_fitting(contract: str, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        require_columns(parse_contract(f"[gate]\n{contract}\n"), pl.DataFrame({"shop": ["a"]}), "binary")


def test_columns_are_cut_into_words() -> None:
    cases = [
        (pl.Series("shop", ["b", "a", None, "a"]), ["shop = a", "shop = b", "shop is missing"], [1, 0, 2, 0]),
        (pl.Series("late", [True, False, True]), ["late = true", "late = false"], [0, 1, 0]),
        (pl.Series("n", [3, 3, None]), ["n = 3", "n is missing"], [0, 0, 1]),
        (pl.Series("x", [0.0, 0.5, 0.5, 0.5, 0.5, float("nan")]),
         ["x < 0.4", "0.4 ≤ x < 0.5", "x ≥ 0.5", "x is missing"], [0, 2, 2, 2, 2, 3]),
        (pl.Series("empty", [None, None], dtype=pl.Float64), ["empty has a value", "empty is missing"], [1, 1]),
    ]  # fmt: skip
    for values, says, codes in cases:
        found = cut(values)
        assert (found.says, found.codes.tolist()) == (says, codes)


def test_two_cuts_are_crossed() -> None:
    both = crossed(cut(pl.Series("a", ["x", "y"])), cut(pl.Series("b", ["u", "v"])))
    assert [both.says[code] for code in both.codes] == ["a = x and b = u", "a = y and b = v"]
