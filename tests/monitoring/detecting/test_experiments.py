"""The experiments of benchmarks/monitoring in small: seconds each, limits from the binomial."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

FOLDER = Path(__file__).parents[3] / "benchmarks" / "monitoring"


@pytest.fixture(scope="module", autouse=True)
def bench():
    """The benchmark's modules, which import one another by name."""
    before = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path[:] = before[0]
    for name in set(sys.modules) - before[1]:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_nothing_that_moves_pages_nobody():
    """Four quarters of a year at a budget of 1 in 20 years: two pages would be a chance of one in a thousand."""
    from null import calm_years

    found = calm_years(200, 4, checks=2190, streams=20)
    assert (found["page"] > 0).sum() <= 1
    assert found["ticket"].sum() <= 5


@pytest.mark.parametrize("case", ["boundary", "identical"])
def test_the_bound_holds_where_the_truth_stands_at_the_limit(case):
    """150 runs at 5 %: more than 14 alarms have a chance of 1 %."""
    from null import bounded

    assert bounded(case, runs=150, checks=50) <= 14


def test_shifts_are_found_within_their_rows():
    from power import SHIFTS, delays

    for what, (_, _, bar) in SHIFTS.items():
        assert np.median(delays(what, runs=20)) <= bar * 1.3, what


def test_a_slice_of_a_thousand_is_found_nearly_as_soon_as_alone():
    from labelled import slice_delays

    assert np.median(slice_delays(1000, runs=20)) <= 1.8 * np.median(slice_delays(1, runs=20))


def test_errors_that_rise_are_found_and_not_before():
    from labelled import error_delays

    log_threshold = float(np.log(200_000))
    for rate, bar in ((0.20, 700), (0.30, 250)):
        found, _ = error_delays(rate, log_threshold, 40)
        assert np.median(found) <= bar


def test_many_histories_at_once_alarm_where_the_bank_does():
    from _many import Many
    from _worlds import draw, mixed, names

    from outlast.monitoring.detecting.planning import Budget, planned
    from outlast.monitoring.detecting.tables import HOUR, Table

    rng = np.random.default_rng(3)
    shares, kinds = mixed(8)
    plan = planned({"features": Table(names(8), np.round(shares * 50_000).astype(np.int64), kinds=kinds)}, Budget())
    moved = shares.copy()
    moved[0] = np.roll(shares[0], 1)
    for bank in plan.banks:
        many, state = Many(bank, 1), bank.begin()
        for check in range(60):
            counts = draw(rng, 300, moved if check > 30 else shares, 1)
            state, alarms = bank.step(state, {"features": counts[0]}, check * HOUR)
            said = [f"{alarm.family}: {alarm.stream}" for alarm in alarms]
            assert [names for _, names in many.step({"features": counts}, check * HOUR)] == ([said] if said else [])


@pytest.mark.parametrize("case", ["slower", "faster"])
def test_a_lag_that_changes_pages_nobody(case):
    from late import found_after

    assert found_after(case, runs=2)[1] == 0


def test_outcomes_that_change_are_found_as_soon_as_if_labels_were_not_late():
    from late import found_after

    late, now = (np.median(found_after(case, runs=7)[0]) for case in ("late", "immediate"))
    assert late <= 1.6 * now


@pytest.mark.parametrize("seed", range(2))
def test_season_shocks_and_holidays_page_nobody_once_they_are_rehearsed(seed):
    """Where the same hours are taken for independent and for alike, they page: it is no quiet world."""
    from life import Life, lived, tables_of, watched

    from outlast.monitoring.detecting.planning import Budget, planned
    from outlast.monitoring.detecting.rehearsal import Rehearsal

    past, hours = 8 * 168, 500
    found, _ = lived(seed, hours=hours, past=past, histories=20)
    assert len(found["page"]) == 0
    assert len(found["ticket"]) <= 1
    life = Life(seed)
    counts = life.counts(*life.moves(past + hours))
    whole = {name: table[:past].sum(axis=0, keepdims=True) for name, table in counts.items()}
    kinds = tuple("number" if number else "category" for number in life.number)
    blind = Rehearsal(planned(tables_of(whole, kinds), Budget()), ())
    alarms = watched(blind, {name: table[past:] for name, table in counts.items()}, past)
    assert len(alarms["page"]) >= 3
    assert len(alarms["ticket"]) >= 30


def test_real_weeks_in_another_order_page_nobody_and_lost_money_in_them_does():
    from life import PAST, flight_counts, shuffled, watched

    import_module("sklearn.ensemble")  # what is loaded can be limited
    with threadpool_limits(1):  # where others work too, more threads only wait for one another
        counts, kinds = flight_counts(trees=20)
        found, rehearsal = shuffled(counts, kinds, 0, histories=10)
    assert len(found["page"]) == 0
    assert len(found["ticket"]) <= 1
    month = {name: table[: 4 * 168].copy() for name, table in counts.items()}
    assert watched(rehearsal, month, PAST)["page"] == []
    month["loss"][..., 1] *= 2
    assert "loss" in watched(rehearsal, month, PAST)["page"][0]


def test_replicas_add_to_the_bits_of_one_process_and_a_month_is_watched_in_little_memory():
    from cost import merged, year

    assert merged()
    found = year(730)
    assert found["megabytes"] <= 200
    assert found["alarms"] <= 1
