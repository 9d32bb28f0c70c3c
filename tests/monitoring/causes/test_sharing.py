"""Shares of the mix: whoever moved where the loss lives carries it, and all shares add up to the whole."""

import numpy as np
import pytest

from outlast.monitoring.causes.sharing import shared
from outlast.monitoring.causes.split import split, usual_loss
from outlast.monitoring.estimating.ratio import weighed
from tests.monitoring.worlds import Floats, World, plain_rows


def two_moved(rng: np.random.Generator, rows: int) -> dict[str, Floats]:
    found = plain_rows(rng, rows)
    return {**found, "a": found["a"] + 0.6, "noise": found["noise"] + 0.6}


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=4, task="regression")


def test_the_feature_that_carries_the_mix_has_it_and_the_other_has_none(world: World) -> None:
    rows = world.later(6_000, 1, draw=two_moved)
    live = rows.live()
    found = shared(world.past, live, [0, 3])
    mix = split(world.past.totals.by_leaf, rows.matured().mills).mix
    assert found[0] == pytest.approx(mix, rel=0.4)
    assert abs(found[3]) < 0.1 * found[0]


def test_shares_add_up_to_what_all_weights_together_explain(world: World) -> None:
    live = world.later(6_000, 1, draw=two_moved).live()
    found = shared(world.past, live, [0, 1, 2, 3])
    sample = world.past.sample.part(np.arange(0, 5_000, 3))
    usual = usual_loss(world.past.totals.by_leaf)[world.past.tree.leaves(sample.cells), sample.score_cells]
    whole = float((weighed(sample.cells, live, [0, 1, 2, 3]) * usual).mean() - usual.mean())
    assert sum(found.values()) == pytest.approx(whole, abs=1e-9)
    assert shared(world.past, live, []) == {}
