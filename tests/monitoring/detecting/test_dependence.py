import numpy as np
import pytest

from outlast.monitoring.detecting.dependence import effects
from outlast.monitoring.detecting.streams import losses, rate_bets, share_bets
from outlast.monitoring.detecting.tables import HOUR, Season, Table, season_of


def coins(rate, *, rows=200, seed=1) -> Table:
    """[hour, stream] rates of a second cell."""
    counts = np.random.default_rng(seed).binomial(rows, rate)
    past = np.stack([rows - counts, counts], axis=-1)
    starts = np.arange(len(rate), dtype=np.int64) * HOUR
    return Table(tuple(f"s{i}" for i in range(rate.shape[1])), past.sum(axis=0), past, starts)


def phi(table: Table):
    season = season_of(table)
    return effects(table, share_bets(table), season)


def test_independent_rows_weigh_little_less_than_themselves():
    found = phi(coins(np.full((8 * 168, 6), 0.3)))
    assert (found >= 1).all()
    assert found.mean() < 1.5


def test_shocks_of_an_hour_weigh_at_least_as_much_as_their_design_effect():
    rng = np.random.default_rng(2)
    shared = np.sqrt(0.21 * 3 / 200)  # variance of an hour's mean: four times that of 200 independent rows
    found = phi(coins(np.clip(0.3 + shared * rng.normal(size=(8 * 168, 6)), 0, 1)))
    assert (found > 3.9).all()
    assert (found < 12).all()  # eight weeks: the upper limit of weekly blocks is a wide one


def test_shocks_that_last_a_day_weigh_more_than_those_of_an_hour():
    rng = np.random.default_rng(3)
    daily = np.repeat(rng.normal(size=(56, 6)), 24, axis=0)
    assert (phi(coins(np.clip(0.3 + 0.02 * daily, 0, 1))) > 8).all()


def test_a_season_of_the_week_is_taken_out_first():
    hours = np.arange(26 * 168)
    seasonal = 0.3 + 0.1 * np.sin(hours / 24 * 2 * np.pi)[:, None] * np.ones(4)
    table = coins(seasonal)
    season = season_of(table)
    assert season.by_slot is not None
    assert season.by_slot[6, 0, 1] == pytest.approx(0.4, abs=0.02)
    assert phi(table).mean() < 1.7
    overall = Season(season.overall)
    assert (effects(table, share_bets(table), overall) > 5).all()


def test_without_a_season_hours_expect_what_the_week_does():
    assert season_of(coins(np.full((8 * 168, 3), 0.3))).by_slot is None
    assert season_of(coins(np.full((3 * 168, 3), 0.3))).by_slot is None


def test_one_stream_that_varies_more_keeps_more_of_its_own():
    rng = np.random.default_rng(4)
    rate = np.full((8 * 168, 6), 0.3)
    rate[:, 2] = np.clip(0.3 + 0.12 * rng.normal(size=len(rate)), 0, 1)
    found = phi(coins(rate))
    assert found[2] > 3 * np.delete(found, 2).max()


def test_rates_that_never_were_weigh_as_one():
    past = np.zeros((8 * 168, 2, 20), np.int64)
    past[:, :, 3] = 100
    table = Table(("a", "b"), past.sum(axis=0), past, np.arange(8 * 168) * HOUR, ("number", "category"))
    assert (effects(table, rate_bets(table), season_of(table)) == 1).all()


def test_losses_are_kept_in_thousandths_and_bet_on_in_rows():
    assert losses(np.array([[10, 2500]])).tolist() == [[7.5, 2.5]]
