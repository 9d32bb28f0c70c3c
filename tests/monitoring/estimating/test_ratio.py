"""Weights from counts: the weighted sample has the live shares, and where nothing moved every row counts as one."""

import numpy as np
import pytest

from outlast.monitoring.estimating.ratio import CLIP, off_support, ratio
from tests.monitoring.worlds import World, moved


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=2)


def test_where_nothing_has_moved_every_row_counts_as_one(world: World) -> None:
    found = ratio(world.past, world.later(2_000, 1).live())
    assert set(found.weights.tolist()) == {1.0}
    assert found.moved == ()


def test_the_weighted_sample_has_the_shares_of_what_is_live(world: World) -> None:
    live = world.later(8_000, 1, draw=moved("b", 0.8)).live()
    found, sample = ratio(world.past, live), world.past.sample
    assert found.moved == (1,)
    assert found.weights.mean() == pytest.approx(1.0)
    assert found.weights.max() <= 1.5 * CLIP
    for feature in (0, 1, 3):
        weighted = np.bincount(sample.cells[:, feature], weights=found.weights, minlength=20)[:16]
        assert np.abs(weighted / weighted.sum() - live.cells[feature, :16] / live.rows).max() < 0.02


def test_rows_that_are_alike_count_as_fewer(world: World) -> None:
    live = world.later(1_000, 1, draw=moved("b", 0.3)).live()
    assert ratio(world.past, live).moved == (1,)
    alike = type(live)(live.cells, live.leaves, effect=10.0)
    assert ratio(world.past, alike).moved == ()


def test_the_share_of_strange_rows_is_that_of_the_strangest_column(world: World) -> None:
    assert off_support(world.past, world.later(2_000, 1).live()) < 0.01
    rows = world.later(2_000, 1, draw=moved("a", 3.0))
    beyond = float((rows.x["a"] > world.profile.features[0].edges[-1]).mean())
    assert off_support(world.past, rows.live()) >= beyond > 0.05
