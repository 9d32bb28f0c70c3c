"""Sums that give the same bits in any order and any parts."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from outlast.monitoring.counting.sums import Moments, exact

values = st.lists(st.floats(-1e140, 1e140, allow_nan=False), max_size=40)


@given(values, st.randoms(use_true_random=False))
def test_order_changes_nothing(found: list[float], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert exact(shuffled) == exact(found)
    assert Moments.of(shuffled) == Moments.of(found)


@given(values, st.integers(0, 40))
def test_two_halves_are_the_whole(found: list[float], cut: int) -> None:
    assert Moments.of(found[:cut]) + Moments.of(found[cut:]) == Moments.of(found)


@given(values)
def test_the_sum_is_exact(found: list[float]) -> None:
    assert sum(map(Fraction, exact(found)), Fraction(0)) == sum(map(Fraction, found), Fraction(0))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_mean_and_variance_are_those_of_fractions(found: list[float]) -> None:
    whole = [Fraction(v) for v in found]
    mean = sum(whole) / len(whole)
    squares = sum(Fraction(v * v) for v in found)  # a square is rounded once, row by row
    variance = max(0.0, float((squares - sum(whole) ** 2 / len(whole)) / (len(whole) - 1)))
    moments = Moments.of(found)
    assert moments.mean == float(mean)
    assert moments.variance == variance
    assert moments.error == math.sqrt(variance / len(found))


def test_what_cannot_be_squared_is_left_out_and_no_value_has_no_mean() -> None:
    assert Moments.of([1.0, math.nan, math.inf, 1e200]) == Moments.of([1.0])
    assert (Moments().mean, Moments().variance, Moments.of([1.0]).error) == (None, None, None)


@given(values)
def test_stored_moments_come_back(found: list[float]) -> None:
    assert Moments.from_json(Moments.of(found).to_json()) == Moments.of(found)
