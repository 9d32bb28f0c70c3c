"""Slices are named by values that training knew."""

import polars as pl
from graded_rows import PROFILE, one, terms

from outlast.data.profile import MISSING, build
from outlast.monitoring.counting.slices import Slices


def named(slices: Slices, column: str, **row: object) -> str | None:
    places, names = slices.of(column, terms().answered(one(**row)))
    return None if places[0] < 0 else names[places[0]]


def test_words_and_bins_have_names_and_the_rest_is_other() -> None:
    slices = Slices(PROFILE, {"plan": ["basic", "gold"]})
    assert named(slices, "origin", features='{"origin":"JFK"}') == "origin=JFK"
    assert named(slices, "origin", features='{"origin":"BOS"}') == "origin=other"
    assert named(slices, "origin", features='{"origin":null}') == "origin=missing"
    assert named(slices, "plan", asks='{"plan":"gold"}') == "plan=gold"
    assert named(slices, "plan", asks='{"plan":7}') == "plan=other"
    low, high = PROFILE.features[0].edges[3:5]
    assert named(slices, "wind", cells=bytes([3, 0])) == f"wind={low:g}..{high:g}"
    assert named(slices, "wind", cells=bytes([MISSING, 0])) == "wind=missing"


def test_a_row_that_was_kept_without_the_column_is_in_no_slice() -> None:
    slices = Slices(PROFILE)
    assert named(slices, "origin") is None
    assert named(slices, "wind", cells=b"") is None


def test_at_most_a_hundred_words_are_told_apart() -> None:
    many = pl.DataFrame({"shop": [f"s{index}" for index in range(300) for _ in range(301 - index)]})
    slices = Slices(build(many))
    assert named(slices, "shop", features='{"shop":"s99"}') == "shop=s99"
    assert named(slices, "shop", features='{"shop":"s100"}') == "shop=other"
