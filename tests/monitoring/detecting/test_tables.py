import numpy as np

from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table

DAY = 24 * HOUR


def daily_rhythm(days: int, seed: int) -> np.ndarray:
    """Hourly counts of a number that is small in the morning and large in the evening, [hour, 1, cell]."""
    rng, lean = np.random.default_rng(seed), np.linspace(-2, 2, 16)
    counts = np.zeros((days * 24, 1, 20), np.int64)
    for hour in range(days * 24):
        share = np.exp(np.sin(2 * np.pi * hour / 24) * lean)
        counts[hour, 0, :16] = rng.multinomial(50, share / share.sum())
    return counts


def table(past: np.ndarray) -> Table:
    starts = np.arange(len(past), dtype=np.int64) * HOUR
    return Table(("f",), past.sum(axis=0), past, starts, ("number",))


def test_days_are_not_held_against_the_hour_that_they_begin_at() -> None:
    """Six weeks of hours, watched day by day: a whole day looks like no hour of it."""
    usual = table(daily_rhythm(42, 1))
    bank = planned({"features": usual.by_checks(DAY)}, Budget(cadence=DAY)).tickets
    state, found = bank.begin(), []
    days = daily_rhythm(120, 2).reshape(120, 24, 1, 20).sum(axis=1)
    for day, counts in enumerate(days, 42):
        state, alarms = bank.step(state, {"features": counts}, day * DAY)
        found += alarms
    assert found == []


def test_blocks_are_joined_where_the_checks_of_1970_on_end() -> None:
    past = daily_rhythm(3, 3)[5:50]
    given = Table(("f",), past.sum(axis=0), past, (5 + np.arange(45, dtype=np.int64)) * HOUR)
    joined = given.by_checks(DAY)
    assert joined.past is not None
    assert joined.starts is not None
    assert joined.starts.tolist() == [0, DAY, 2 * DAY]
    assert joined.past.sum(axis=(1, 2)).tolist() == [19 * 50, 24 * 50, 2 * 50]
    assert (joined.counts == given.counts).all()
    assert given.by_checks(HOUR) is given
    assert given.by_checks(HOUR // 4) is given
