"""Intervals come to cover nine in ten, whatever they covered at first."""

import numpy as np
import pytest

from outlast.monitoring.estimating.widening import Widening, rehearsed
from tests.monitoring.worlds import World


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5], ids=["too wide", "right", "too narrow"])
def test_the_share_that_is_covered_goes_to_nine_in_ten(scale: float) -> None:
    rng = np.random.default_rng(8)
    away = np.abs(rng.normal(0, scale / 1.645, 600))
    widening, held = Widening(), []
    for one in away:
        held.append(one <= widening.factor)
        widening = widening.seen(float(one), 1.0)
    assert 0.87 <= np.mean(held[60:]) <= 0.95


def test_when_estimates_become_worse_intervals_follow() -> None:
    rng = np.random.default_rng(9)
    widening = Widening()
    for one in np.abs(rng.normal(0, 0.6, 100)):
        widening = widening.seen(float(one), 1.0)
    before, held = widening.factor, []
    for one in np.abs(rng.normal(0, 1.8, 150)):
        held.append(one <= widening.factor)
        widening = widening.seen(float(one), 1.0)
    assert widening.factor > 1.8 * before
    assert np.mean(held[50:]) > 0.8


def test_a_width_of_nothing_is_right_only_where_nothing_was_off() -> None:
    assert Widening().seen(0.0, 0.0).scores == (0.0,)
    assert Widening().seen(0.1, 0.0).factor > 1


def test_the_reference_gives_the_first_width() -> None:
    found = rehearsed(World(seed=3).past)
    assert len(found.scores) >= 30
    assert 0.6 < found.factor < 1.6
