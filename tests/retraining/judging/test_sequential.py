"""Intervals that hold however often one looks: they miss as seldom as they say, and they find what is there."""

import numpy as np
import pytest

from outlast.retraining.judging.sequential import Mean, Series, mean_of


def pairs(rng: np.random.Generator, hours: int, gain: float, shared: float = 0.0) -> Series:
    """Thirty pairs an hour, nine of ten alike; of the others one side wins more often, by whole hours where shared."""
    names = np.repeat(np.arange(hours), 30)
    lean = gain + np.repeat(rng.normal(0, shared, hours), 30)
    drawn = rng.random(len(names))
    values = np.where(drawn < 0.05 + np.clip(lean, -0.05, 0.05), 1.0, np.where(drawn > 0.95, -1.0, 0.0))
    return Series(names, values, 1.0)


def first(series: Series, hours: int) -> Series:
    chosen = series.hours < hours
    return Series(series.hours[chosen], series.values[chosen], series.bound)


@pytest.mark.parametrize("shared", [0.0, 0.02])
def test_looking_every_day_misses_the_mean_no_more_often_than_it_says(shared: float) -> None:
    rng, missed = np.random.default_rng(1), 0
    for _ in range(40):
        history = pairs(rng, 240, 0.0, shared)
        found = [mean_of([first(history, hours)]) for hours in range(24, 241, 24)]
        missed += any(one is not None and not one.low <= 0 <= one.high for one in found)
    assert missed <= 4


@pytest.mark.parametrize(("gain", "hours"), [(0.04, 120), (-0.04, 120), (0.02, 480)])
def test_a_difference_is_found(gain: float, hours: int) -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        found = mean_of([pairs(rng, hours, gain)])
        assert found is not None
        assert (found.low > 0) == (gain > 0)
        assert (found.high < 0) == (gain < 0)


def test_more_rows_narrow_it_and_none_say_nothing() -> None:
    history = pairs(np.random.default_rng(3), 400, 0.0)
    widths = [found.high - found.low for hours in (10, 40, 400) if (found := mean_of([first(history, hours)]))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.05
    assert mean_of([]) is None
    assert mean_of([first(history, 0)]) is None


def test_rows_that_stand_and_fall_together_count_for_fewer() -> None:
    rng, names = np.random.default_rng(4), np.repeat(np.arange(400), 30)
    noise, storms = rng.normal(0, 0.2, len(names)), np.repeat(rng.normal(0, 0.2, 400), 30)
    alone, together = (mean_of([Series(names, values.clip(-1, 1), 1.0)]) for values in (noise, noise + storms))
    assert alone is not None
    assert together is not None
    assert alone.effect < 2.1
    assert together.effect > 8
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_how_days_vary_is_learnt_before_it_is_bet_on() -> None:
    """Two weeks whose days stand and fall together, then three of which one is a storm: alone these seem to be news."""
    rng, day = np.random.default_rng(6), 24 * 30
    lean = np.repeat(np.r_[rng.normal(0, 0.1, 14), 0.0, 0.25, 0.0], day)
    values = np.where(rng.random(len(lean)) < 0.2, np.sign(lean + rng.normal(0, 0.3, len(lean))), 0.0)
    history = Series(np.arange(len(lean)) // 30, values, 1.0)
    new = Series(history.hours[14 * day :], values[14 * day :], 1.0)
    alone, taught = mean_of([new]), mean_of([new.after(history)])
    assert alone is not None
    assert taught is not None
    assert (alone.value, alone.rows) == (taught.value, taught.rows)
    assert alone.low > 0 > taught.low
    assert taught.effect > alone.effect


def test_calm_days_before_let_a_lasting_loss_be_found_as_soon() -> None:
    rng = np.random.default_rng(7)
    before, after = pairs(rng, 240, 0.0), pairs(rng, 120, 0.04)
    later = Series(after.hours + 240, after.values, 1.0)
    alone, taught = mean_of([later]), mean_of([later.after(before)])
    assert alone is not None
    assert taught is not None
    assert taught.low >= alone.low > 0
    assert mean_of([first(later, 0).after(before)]) is None


def test_series_about_one_mean_speak_together_in_their_unit() -> None:
    rng = np.random.default_rng(5)
    one = pairs(rng, 300, 0.04)
    wide = Series(one.hours, one.values * 500 + rng.normal(0, 400, one.rows).clip(-4500, 4500), 5000.0)
    money = Series(one.hours, one.values * 500, 500.0)
    both, alone = mean_of([money, wide]), mean_of([money])
    assert both is not None
    assert alone is not None
    assert both.rows == 2 * one.rows
    assert both.value == alone.value == pytest.approx(one.values.mean() * 500)
    assert 0 < both.low <= alone.low <= alone.value <= alone.high <= both.high


def test_what_never_differs_is_shown_to_be_near_nothing_and_not_more() -> None:
    found = mean_of([Series(np.arange(3000) // 30, np.zeros(3000), 10.0)])
    assert found is not None
    assert found.value == 0.0
    assert -0.2 < found.low < 0 < found.high < 0.2


def test_a_mean_is_plain() -> None:
    assert Mean(1.0, 0.0, 2.0, 3, 1.0).plain() == {"value": 1.0, "low": 0.0, "high": 2.0, "rows": 3, "effect": 1.0}
