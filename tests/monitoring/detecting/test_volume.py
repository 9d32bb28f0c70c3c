import numpy as np

from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.volume import Volume

HOUR = 3600


def test_half_of_the_traffic_is_found_within_a_day_and_the_usual_night_is_none():
    rng = np.random.default_rng(1)
    starts = np.arange(8 * 168, dtype=np.int64) * HOUR
    mean = 300 * (1.1 + np.sin(starts / HOUR / 24 * 2 * np.pi))
    rows = rng.poisson(mean * np.exp(0.1 * rng.normal(size=len(mean))))
    volume = Volume.of(rows, starts)
    bank = planned({"volume": volume.table(rows, starts)}, Budget()).pages
    state, found = bank.begin(), []
    for hour in range(1000):
        share = 1.0 if hour < 900 else 0.5
        at = int(starts[-1]) + (hour + 1) * HOUR
        come = rng.poisson(share * 300 * (1.1 + np.sin(at / HOUR / 24 * 2 * np.pi)) * np.exp(0.1 * rng.normal()))
        state, alarms = bank.step(state, {"volume": volume.cells(int(come), at)}, at)
        found += [hour] * len(alarms)
    assert found
    assert 900 <= found[0] < 924


def test_hours_in_which_nothing_is_expected_say_nothing():
    starts = np.arange(4 * 168, dtype=np.int64) * HOUR
    rows = np.where(starts // HOUR % 24 < 12, 0, 100)
    volume = Volume.of(rows, starts)
    assert volume.cells(0, 0).sum() == 0
    assert volume.cells(0, 13 * HOUR)[0, 17] == 1
