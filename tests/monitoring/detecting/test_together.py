"""The nightly bet on how columns go together: rarely rich where nothing moved, soon where only a correlation did."""

import numpy as np
import polars as pl
import pytest

from outlast.data.profile import build, cells
from outlast.monitoring.detecting import together
from outlast.monitoring.detecting.together import learn, log_evidence

DAYS, ROWS = 6, 250
DAY = 86_400_000_000


def rows(rng, n, correlation=0.0):
    one, other, third = rng.normal(size=(3, n))
    mixed = correlation * one + np.sqrt(1 - correlation**2) * other
    return pl.DataFrame({"one": one, "other": mixed, "third": third, "word": rng.choice(["a", "b", "c"], n)})


def peak(seed, correlation, log_threshold=np.inf):
    """The largest mean evidence over the nights, on which night, and by which features."""
    rng = np.random.default_rng(seed)
    frame = rows(rng, 5000)
    profile = build(frame, None, threshold=None)
    reference = cells(profile, frame)
    at = np.sort(rng.integers(0, 60, 5000)) * DAY
    days = [cells(profile, rows(rng, ROWS, correlation)) for _ in range(DAYS)]
    r, best = np.zeros(len(together.SHIFTS)), (-np.inf, 0, None)
    for night in range(1, DAYS):
        learnt = learn(profile.features, reference[0::2], np.concatenate(days[max(0, night - 3) : night])[::-1])
        if learnt is None:
            continue
        r = (r + 1) * np.exp(log_evidence(learnt, reference[1::2], at[1::2], days[night]))
        if np.log(r.mean()) > best[0]:
            best = float(np.log(r.mean())), night, learnt.heaviest()
        if best[0] > log_threshold:
            break
    return best


def test_where_nothing_moves_it_is_rarely_rich():
    """P(R >= A within T nights) <= T / A: at A = 50 and 5 nights a tenth of runs may; three of six, one in 60."""
    found = [peak(seed, 0.0)[0] for seed in range(6)]
    assert sum(one >= np.log(50) for one in found) <= 2


@pytest.mark.parametrize("correlation", [0.6, -0.6])
def test_a_correlation_that_changes_alone_is_found_and_named(correlation):
    log_r, night, features = peak(3, correlation, np.log(3650))
    assert log_r >= np.log(3650)
    assert night <= 5
    assert features == (0, 1)


def test_few_rows_teach_nothing():
    rng = np.random.default_rng(1)
    frame = rows(rng, 500)
    profile = build(frame, None, threshold=None)
    assert learn(profile.features, cells(profile, frame), cells(profile, rows(rng, 50))) is None
