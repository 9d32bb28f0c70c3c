"""Sums by limbs against `math.fsum`, bit by bit."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.features.arithmetic import total, variance
from outlast.features.history.column import Column, Rows
from outlast.features.history.exact import rounded, running, scale_for
from outlast.features.history.prefix import totals
from outlast.features.history.segments import gathered, sums, variances

near_ties = st.sampled_from([2.0**52, 2.0**53, 2.0**53 + 2, 0.5, -0.5, 1.0, 2.0**-60, -(2.0**-60), 1.5])
wild = st.one_of(
    st.floats(-1e3, 1e3, allow_subnormal=False),
    st.sampled_from([1e16, 1.0, -1e16, 0.1]),
    st.sampled_from([5e-324, -5e-324, 1e-310, 2.3e-308, 0.0, -0.0]),
    st.floats(-1e18, 1e18),
    near_ties,
)
odd = st.one_of(wild, st.sampled_from([math.nan, math.inf, -math.inf, 1.7e308, -1.7e308]))
bounds = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6)


def slices(pairs: list[tuple[int, int]], count: int) -> tuple[Any, Any]:
    ordered = [sorted((min(a, count), min(b, count))) for a, b in pairs]
    return np.array([a for a, _ in ordered]), np.array([b for _, b in ordered])


def bits(value: float) -> str:
    return "nan" if math.isnan(value) else value.hex()


@settings(deadline=None, max_examples=120)
@given(values=st.lists(wild, max_size=40), pairs=bounds, most=st.sampled_from([40, 5_000, 2**22]))
def test_differences_of_running_totals_are_exact_sums(
    values: list[float], pairs: list[tuple[int, int]], most: int
) -> None:
    column = np.array(values, np.float64)
    scale = scale_for(column, most)
    if scale is None:
        return
    low, high = slices(pairs, len(values))
    got = rounded([limb[high] - limb[low] for limb in running(column, scale)], scale.base, scale.width)
    for a, b, value in zip(low, high, got, strict=True):
        assert bits(value) == bits(math.fsum(values[a:b]) + 0.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e16, 1.0, -1e16], 1.0),
        ([2.0**53, 1.0, 2.0**-60], 2.0**53 + 2),  # just above a tie: a sum rounded twice would go down
        ([2.0**53, 1.0, -(2.0**-60)], 2.0**53),
        ([2.0**53 + 2, 1.0], 2.0**53 + 4),  # a tie goes to the even one
        ([-0.0, -0.0], 0.0),
        ([0.1] * 10, 1.0),
        ([5e-324, 5e-324], 1e-323),
    ],
)
def test_sums_are_rounded_once(values: list[float], expected: float) -> None:
    column = np.array(values)
    scale = scale_for(column, len(values))
    assert scale is not None
    got = rounded([limb[-1:] for limb in running(column, scale)], scale.base, scale.width)[0]
    assert bits(got) == bits(expected)


def test_values_that_lie_too_far_apart_have_no_scale() -> None:
    assert scale_for(np.array([1e300, 1e-300]), 2) is None
    assert scale_for(np.array([1e30, 1e-15]), 2) is not None


def test_whole_small_numbers_take_one_limb() -> None:
    scale = scale_for(np.array([3.25, -100.5, 0.0, 7.0]), 1_000)
    assert scale is not None
    assert (scale.limbs, scale.base) == (1, -2)


@settings(deadline=None, max_examples=120)
@given(values=st.lists(odd, max_size=40), pairs=bounds)
def test_sums_of_slices_are_those_of_the_arithmetic(values: list[float], pairs: list[tuple[int, int]]) -> None:
    low, high = slices(pairs, len(values))
    segments = gathered(low, high)
    got = sums(segments, np.array(values, np.float64)[segments.index])
    for a, b, value in zip(low, high, got, strict=True):
        assert bits(value) == bits(float(total(values[a:b])))


@settings(deadline=None, max_examples=120)
@given(values=st.lists(odd, max_size=40), pairs=bounds, ddof=st.integers(0, 2))
def test_variances_of_slices_are_those_of_the_arithmetic(
    values: list[float], pairs: list[tuple[int, int]], ddof: int
) -> None:
    low, high = slices(pairs, len(values))
    segments = gathered(low, high)
    got, there = variances(segments, np.array(values, np.float64)[segments.index], ddof)
    for a, b, value, present in zip(low, high, got, there, strict=True):
        expected = variance(values[a:b], ddof)
        assert present == (expected is not None)
        assert expected is None or bits(value) == bits(expected)


@settings(deadline=None, max_examples=80)
@given(values=st.lists(st.one_of(st.none(), odd), max_size=40), pairs=bounds)
def test_totals_keep_nan_and_infinity_within_their_windows(
    values: list[float | None], pairs: list[tuple[int, int]]
) -> None:

    column = Column(pl.Series(values, dtype=pl.Float64), Rows(np.arange(len(values)), 40))
    found = totals(column, 40)
    if found is None:
        return
    low, high = slices(pairs, len(values))
    for a, b, value in zip(low, high, found.sums(low, high), strict=True):
        assert bits(value) == bits(float(total(values[a:b])))
