"""The statistics against plain references: slow, obvious, or from another package."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import roc_auc_score

from outlast.monitoring import evidence
from outlast.monitoring.evidence import ORDER

cells = hnp.arrays(np.int64, 20, elements=st.integers(0, 60))
coin = st.floats(0.001, 0.999)


@given(coin, coin)
def test_relative_entropy_is_scipys(p: float, q: float) -> None:
    assert evidence.kl(p, q) == pytest.approx(float(stats.entropy([p, 1 - p], [q, 1 - q])), abs=1e-12)


@given(st.integers(1, 400), st.floats(0.01, 0.9), st.data())
def test_a_rate_is_never_called_rarer_than_it_is(rows: int, limit: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))
    bound = math.exp(-(evidence.rate_deviation(hits, rows, limit) ** 2) / 2)
    assert float(stats.binom.sf(hits - 1, rows, limit)) <= bound * (1 + 1e-9)


def test_a_mean_is_never_called_rarer_than_it_is() -> None:
    rng = np.random.default_rng(7)
    means = rng.random((20_000, 50)).mean(axis=1)
    deviations = np.array([evidence.mean_deviation(m, 0.5, rows=50, variance=1 / 12, reach=0.5) for m in means])
    for level in (1.0, 2.0, 3.0):
        allowed = math.exp(-(level**2) / 2)
        assert (deviations >= level).mean() <= allowed + 3 * math.sqrt(allowed / len(means))


def test_a_mean_below_its_limit_deviates_by_nothing() -> None:
    assert evidence.mean_deviation(0.4, 0.5, rows=100, variance=0.1) == 0.0
    assert evidence.mean_deviation(0.6, 0.5, rows=0, variance=0.1) == 0.0


@given(cells, cells)
def test_location_is_the_area_of_now_against_then(now: np.ndarray, then: np.ndarray) -> None:
    order = list(ORDER)
    found = evidence.location(now, then)
    if not now[order].sum() or not then[order].sum():
        assert found is None
        return
    ranks = np.concatenate([np.repeat(np.arange(18), now[order]), np.repeat(np.arange(18), then[order])])
    sides = np.repeat([1, 0], [now[order].sum(), then[order].sum()])
    assert found == pytest.approx(roc_auc_score(sides, ranks))


@given(cells)
def test_the_reference_stands_at_a_half_of_itself(then: np.ndarray) -> None:
    found = evidence.location(then, then)
    assert found is None or found == pytest.approx(0.5)


@given(cells, cells)
def test_distances_have_their_bounds_and_know_equality(now: np.ndarray, then: np.ndarray) -> None:
    psi, moved = evidence.psi(now, then), evidence.moved(now, then)
    if not now.sum() or not then.sum():
        assert psi is None
        assert moved is None
        return
    assert psi is not None
    assert psi >= 0
    assert moved is not None
    assert 0 <= moved <= 1 + 1e-12
    assert evidence.psi(now, now) == pytest.approx(0)
    assert evidence.moved(now, now) == pytest.approx(0)


@given(hnp.arrays(np.int64, (20, 2), elements=st.integers(0, 30)))
def test_area_is_sklearns_on_binned_scores(graded: np.ndarray) -> None:
    no, yes = (graded[list(ORDER), side] for side in (0, 1))
    found = evidence.area(graded)
    if not no.sum() or not yes.sum():
        assert found is None
        return
    scores = np.concatenate([np.repeat(np.arange(18), no), np.repeat(np.arange(18), yes)])
    assert found is not None
    assert found[0] == pytest.approx(roc_auc_score(np.repeat([0, 1], [no.sum(), yes.sum()]), scores))
    assert found[1] >= 0


def test_the_limit_of_a_rate_holds_for_its_own_reference_and_never_passes_one() -> None:
    assert evidence.rate_limit(0, 1000, z=3, margin=0.005, relative=0.2) > 0.005
    assert evidence.rate_limit(1000, 1000, z=3, margin=0.005, relative=0.2) == 1.0


def test_independent_blocks_have_almost_no_design_effect_and_shared_shocks_do() -> None:
    rng = np.random.default_rng(11)
    days = rng.normal(size=(40, 500))
    alone = evidence.design_effect(days.mean(axis=1).tolist(), [500] * 40, 1.0)
    shocks = rng.normal(scale=0.3, size=(40, 1))  # the design effect is 1 + 500 x 0.09 = 46
    together = evidence.design_effect((days + shocks).mean(axis=1).tolist(), [500] * 40, 1.0)
    assert 1.0 <= alone < 2.5
    assert 30 < together < 120
    assert evidence.design_effect([0.1, 0.9], [5, 5], 0.1) == 1.0


def test_a_threshold_keeps_its_budget_under_the_chernoff_bound() -> None:
    level = evidence.threshold(1000, 0.05)
    assert 1000 * math.exp(-(level**2) / 2) == pytest.approx(0.05)
