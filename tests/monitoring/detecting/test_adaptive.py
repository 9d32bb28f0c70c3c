import numpy as np
import pytest

from outlast.errors import StorageError
from outlast.monitoring.detecting.adaptive import Window, from_bytes, grown, to_bytes

HOUR = 3600
LOG_A = float(np.log(175_200))


def run(rates, rows=200, seed=1):
    rng, window, changes = np.random.default_rng(seed), Window(), []
    for place, rate in enumerate(rates):
        total = float(rng.binomial(rows, rate))
        window, change = grown(window, rows, total, at=place * HOUR, log_threshold=LOG_A)
        if change is not None:
            changes.append((place, change))
    return window, changes


def test_nothing_is_found_where_nothing_moves_and_few_buckets_are_kept():
    window, changes = run([0.1] * 3000)
    assert changes == []
    assert window.rows == 600_000
    assert len(window.buckets) < 120


def test_a_change_is_dated_and_the_older_part_forgotten():
    window, changes = run([0.1] * 500 + [0.2] * 50)
    place, change = changes[0]
    assert 500 <= place <= 506
    assert abs(change.since - 500 * HOUR) <= 4 * HOUR
    assert change.before == pytest.approx(0.1, abs=0.01)
    assert change.now == pytest.approx(0.2, abs=0.05)
    assert window.rows < 20_000


def test_a_window_that_was_kept_is_the_same():
    window, _ = run([0.1] * 50)
    assert from_bytes(to_bytes(window)) == window
    with pytest.raises(StorageError, match="cannot be read"):
        from_bytes(b"\x00")


def test_a_check_without_rows_changes_nothing():
    window, _ = run([0.1] * 5)
    assert grown(window, 0, 0.0, at=9, log_threshold=LOG_A) == (window, None)
