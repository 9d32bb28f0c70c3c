"""Differences of two models on the same rows: their intervals, what goes together, and how often luck passes."""

import numpy as np
import pytest

from outlast.training.evaluation.paired import FEWEST, Blocks, blocks_of, difference, gain_in, holm, mean_gain

DAY, HOUR = 86_400_000_000, 3_600_000_000


@pytest.mark.parametrize(
    ("chances", "adjusted"),
    [  # what p.adjust(…, method = "holm") of R gives
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.04, 0.001, 0.5, 0.03], [0.09, 0.004, 0.5, 0.09]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm_adjusts_as_its_reference_does(chances: list[float], adjusted: list[float]) -> None:
    assert holm(chances) == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("at", "unit", "count"),
    [
        (np.arange(FEWEST) * DAY, "day", FEWEST),
        (np.arange((FEWEST - 1) * 24) * HOUR, "hour", (FEWEST - 1) * 24),
        (np.arange(50), "row", 50),
        (np.zeros(9, dtype=np.int64), "row", 9),
    ],
)
def test_blocks_are_days_where_there_are_enough_of_them(at, unit: str, count: int) -> None:
    found = blocks_of(at)
    assert (found.unit, found.count) == (unit, count)


def test_an_interval_of_days_holds_the_truth_nineteen_times_of_twenty_where_one_of_rows_does_not() -> None:
    """Rows of a day share what happened to it. Of 200 intervals, 3 to 19 miss in all but one of a thousand cases."""
    missed = {"day": 0, "row": 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(20), 20)
        ours = rng.normal(0, 1, 20)[day] + rng.normal(0, 1, 400)
        for unit, codes in (("day", day), ("row", np.arange(400))):
            found = difference(mean_gain(ours, np.zeros(400)), Blocks(codes, unit), seed)
            missed[unit] += not found.low <= 0 <= found.high
    assert 3 <= missed["day"] <= 19
    assert missed["row"] > 60


def test_a_loss_that_is_smaller_is_a_gain() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 400)
    good, bad = np.where(y == 1, 0.8, 0.2), np.full(400, 0.5)
    tables = [np.column_stack([1 - one, one]) for one in (good, bad)]
    for name in ("log_loss", "brier", "roc_auc"):
        found = difference(gain_in(name, "binary", y, *tables), Blocks(np.arange(400) % 20, "day"), 1)
        assert found.low > 0
        back = difference(gain_in(name, "binary", y, *reversed(tables)), Blocks(np.arange(400) % 20, "day"), 1)
        assert back.value == pytest.approx(-found.value)


def test_what_one_block_says_or_no_row_defines_has_no_interval() -> None:
    y, table = np.zeros(30, dtype=np.int64), np.full((30, 2), 0.5)
    assert difference(gain_in("roc_auc", "binary", y, table, table), Blocks(np.arange(30), "row"), 1) is None
    assert difference(mean_gain(np.ones(30), np.zeros(30)), Blocks(np.zeros(30, dtype=np.int64), "day"), 1) is None


def test_the_chance_of_being_below_is_one_sided_and_sure_where_nothing_varies() -> None:
    same = difference(mean_gain(np.ones(30), np.ones(30)), Blocks(np.arange(30), "row"), 1)
    assert (same.low, same.high, same.chance_below(0.0), same.chance_below(0.1)) == (0.0, 0.0, 1.0, 0.0)
    noise = np.random.default_rng(1).normal(0, 1, 400)
    found = difference(mean_gain(noise, np.zeros(400)), Blocks(np.arange(400), "row"), 1)
    assert found.chance_below(found.value) == pytest.approx(0.5)
    assert found.chance_below(found.high) == pytest.approx(0.025)
