"""The split of a change adds up to the change, and each part answers to what it is named for."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.data.past import LEAVES
from outlast.data.profile import CELLS
from outlast.monitoring.causes import split

Ints = npt.NDArray[np.int64]
SHAPE = (LEAVES, CELLS)


def table(rows: Ints, chance: npt.NDArray[np.float64], seed: int) -> Ints:
    """Rows of cells whose losses are whole or nothing."""
    lost = np.random.default_rng(10_000 + seed).binomial(rows, chance)
    return np.stack([rows, 1000 * lost], axis=-1).astype(np.int64)


def spread(rows: int, shares: npt.NDArray[np.float64], seed: int) -> Ints:
    return np.random.default_rng(seed).multinomial(rows, (shares / shares.sum()).ravel()).reshape(SHAPE)


@given(st.integers(0, 2**31), st.integers(50, 20_000), st.integers(1, 20_000))
def test_the_parts_sum_to_the_change_whatever_the_tables(seed: int, before: int, now: int) -> None:
    rng = np.random.default_rng(seed)
    shares = [np.where(rng.random(SHAPE) < rng.random(), rng.exponential(size=SHAPE), 0) + 1e-12 for _ in (0, 1)]
    losses = [rng.random(SHAPE), rng.random(SHAPE)]
    one, other = (
        np.stack([rows := spread(n, share, seed), np.round(1000 * rows * loss)], axis=-1).astype(np.int64)
        for n, share, loss in zip((before, now), shares, losses, strict=True)
    )
    found = split(one, other)
    change = other[..., 1].sum() / other[..., 0].sum() / 1000 - one[..., 1].sum() / one[..., 0].sum() / 1000
    assert found.change == pytest.approx(change, abs=1e-12)
    assert found.mix + found.concept + found.off_support == pytest.approx(change, abs=1e-12)
    assert found.by_leaf.sum() == pytest.approx(change, abs=1e-9)


CHANCE = np.full(SHAPE, 0.05)
CHANCE[:8] = 0.4
EVEN = np.ones(SHAPE)
EVEN[20:] = 0
REFERENCE = table(spread(40_000, EVEN, 1), CHANCE, 1)


def test_other_rows_are_mix() -> None:
    shares = EVEN.copy()
    shares[:8] *= 3
    found = split(REFERENCE, table(spread(20_000, shares, 2), CHANCE, 2))
    assert found.mix == pytest.approx(found.change, abs=4 * found.errors["concept"])
    assert found.mix > 20 * found.errors["mix"]


def test_other_outcomes_of_equal_rows_are_concept() -> None:
    found = split(REFERENCE, table(spread(20_000, EVEN, 3), CHANCE + 0.1, 3))
    assert found.concept == pytest.approx(0.1, abs=0.01)
    assert abs(found.mix) < 4 * found.errors["mix"]
    assert found.off_support == pytest.approx(0, abs=1e-3)


def test_rows_that_the_reference_does_not_know_are_off_its_support() -> None:
    shares = EVEN.copy()
    shares[25] = 20.0 / 3
    found = split(REFERENCE, table(spread(20_000, shares, 4), np.where(EVEN > 0, CHANCE, 0.9), 4))
    away = shares[25].sum() / shares.sum()
    assert found.off_support == pytest.approx(away * (0.9 - found.before), abs=0.01)
    assert abs(found.concept) < 4 * found.errors["concept"]


def test_an_error_holds_what_chance_does() -> None:
    away = [split(REFERENCE, table(spread(2_000, EVEN, s), CHANCE, s)) for s in range(5, 45)]
    assert 0.6 < np.std([one.change for one in away]) / away[0].errors["change"] < 1.5
