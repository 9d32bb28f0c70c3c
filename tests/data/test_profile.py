"""Profiles: bins, counts, and one row counted exactly as many are."""

import math
import timeit
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.data import profile as profiles
from outlast.data.many_cells import rows_cells
from outlast.data.profile import (
    ABOVE,
    BELOW,
    CELLS,
    MISSING,
    OTHER,
    UNSEEN,
    Bins,
    build,
    cell_of,
    cells,
    from_json,
    row_cells,
    score_cells,
    to_json,
)
from outlast.errors import DataError, StorageError

floats = st.one_of(
    st.none(),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324]),
    st.integers(-5, 5).map(float),
    st.floats(-1e3, 1e3),
)
COLUMNS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "x": (pl.Float64, floats),
    "f": (pl.Float32, floats),
    "n": (pl.Int32, st.one_of(st.none(), st.integers(-30, 30))),
    "big": (pl.Int64, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
    "word": (pl.String, st.one_of(st.none(), st.text("abc", max_size=3))),
    "kind": (pl.Enum(["x", "y", "z"]), st.sampled_from([None, "x", "y", "z"])),
    "yes": (pl.Boolean, st.sampled_from([None, True, False])),
}
rows_of = st.lists(st.tuples(*(values for _, values in COLUMNS.values())), max_size=60)


def as_frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={name: dtype for name, (dtype, _) in COLUMNS.items()}, orient="row")


@settings(max_examples=60, deadline=None)
@given(rows_of, rows_of)
def test_one_row_is_counted_as_many_are(reference: list[tuple[Any, ...]], new: list[tuple[Any, ...]]) -> None:
    profile = build(as_frame(reference))
    frame = as_frame(new)
    one_row = row_cells(profile)
    by_frame = [bytes(row) for row in cells(profile, frame)]
    assert [one_row(row) for row in frame.rows()] == by_frame
    assert rows_cells(profile, frame.schema)(frame.rows()) == by_frame


@settings(max_examples=40, deadline=None)
@given(rows_of)
def test_a_profile_counts_its_own_rows_once_each(reference: list[tuple[Any, ...]]) -> None:
    frame = as_frame(reference)
    profile = build(frame)
    found = cells(profile, frame)
    for index, bins in enumerate(profile.features):
        assert bins.counts == np.bincount(found[:, index], minlength=CELLS).tolist()
        assert sum(bins.counts) == frame.height
        finite = frame[bins.name].drop_nulls()
        if bins.kind == "category":
            assert bins.counts[UNSEEN] == 0
        elif finite.cast(pl.Float64).is_finite().any():
            assert bins.counts[BELOW] == (finite.cast(pl.Float64) == -math.inf).sum()
            assert bins.counts[ABOVE] == (finite.cast(pl.Float64) == math.inf).sum()
        assert len(bins.edges) <= 17
        assert bins.edges == sorted(bins.edges)
    assert from_json(to_json(profile)) == profile


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1), max_size=80),
    st.floats(0, 1),
    st.lists(st.one_of(st.floats(-1, 2), st.just(math.nan)), max_size=20),
)
def test_the_threshold_is_an_edge_of_the_scores(reference: list[float], threshold: float, new: list[float]) -> None:
    frame = pl.DataFrame({"x": [0] * len(reference)})
    profile = build(frame, np.array(reference), threshold=threshold)
    assert profile.scores is not None
    assert len(profile.scores.edges) <= 17
    scores = np.array([*new, threshold])
    found = score_cells(profile, scores)
    assert [cell_of(profile.scores)(float(score)) for score in scores] == found.tolist()
    if reference:
        assert threshold in profile.scores.edges[1:-1]
        yes = {cell for cell, score in zip(found, scores, strict=True) if score >= threshold}
        no = {cell for cell, score in zip(found, scores, strict=True) if score < threshold}
        assert not yes & no
        assert sum(profile.scores.counts[:16]) == len(reference)


def test_few_values_have_a_bin_each_and_many_have_equal_shares() -> None:
    frame = pl.DataFrame({"few": [0, 1, 2, 5] * 400, "many": np.random.default_rng(0).permutation(1600) / 7})
    few, many = build(frame).features
    assert (few.edges, few.counts[:5]) == ([0.0, 1.0, 2.0, 5.0, 5.0], [400, 400, 400, 400, 0])
    assert many.counts[:16] == pytest.approx([100] * 16, abs=1)


def test_a_mass_at_one_value_does_not_make_empty_bins() -> None:
    frame = pl.DataFrame({"rain": [0.0] * 900 + [i / 100 for i in range(1, 101)]})
    rain = build(frame).features[0]
    assert rain.edges == sorted(set(rain.edges))
    assert all(rain.counts[: len(rain.edges) - 1])


def test_the_fifteen_most_frequent_categories_have_bins_and_the_rest_share_one() -> None:
    words = [word for index in range(20) for word in [f"w{index:02}"] * (40 - index)]
    profile = build(pl.DataFrame({"word": words}))
    one_row = row_cells(profile)
    assert [one_row([f"w{index:02}"])[0] for index in range(20)] == [*range(15), *[OTHER] * 5]
    assert (one_row(["new"])[0], one_row([None])[0]) == (UNSEEN, MISSING)


def test_a_list_of_categories_that_was_cut_calls_nothing_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "KNOWN", 20)
    frame = pl.DataFrame({"id": [f"{i}" for i in range(30)]})
    profile = build(frame)
    assert not profile.features[0].complete
    assert row_cells(profile)(["new"])[0] == OTHER == cells(profile, pl.DataFrame({"id": ["new"]}))[0, 0]
    assert from_json(to_json(profile)).features[0].complete is False


def test_moments_and_lists_have_no_bins_and_are_skipped_in_a_row() -> None:
    frame = pl.DataFrame({"a": [1, 2], "at": [None, None], "b": ["x", "y"], "l": [[1], [2]]})
    frame = frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    profile = build(frame)
    assert profile.names == ["a", "b"]
    assert row_cells(profile, frame.columns)((2, None, "x", [1])) == bytes([1, 0])
    assert row_cells(profile, ["b", "a"])(("y", 1)) == bytes([0, 1])


@pytest.mark.parametrize(
    ("reference", "value", "cell"),
    [
        (["a", "b"], 3, UNSEEN),
        (["a", "b"], 3.5, UNSEEN),
        (["a", "true"], True, 1),
        ([1, 2, 3], "2", UNSEEN),
        ([1, 2, 3], True, 0),
        ([1, 2, 3], 2.5, 1),
        ([True, False], "true", 1),
        ([None, None], "a", UNSEEN),
        ([None, None], None, MISSING),
        ([math.nan], 1.0, UNSEEN),
        ([math.nan], math.nan, MISSING),
    ],
)
def test_a_value_of_another_kind_than_the_reference(reference: list[Any], value: Any, cell: int) -> None:
    profile = build(pl.DataFrame({"v": reference}))
    assert row_cells(profile)([value]) == bytes([cell])
    assert cells(profile, pl.DataFrame({"v": [value]}))[0, 0] == cell


def test_numbers_of_numpy_count_as_numbers() -> None:
    one_row = row_cells(build(pl.DataFrame({"v": [1, 2, 3], "w": [True, False, True]})))
    assert one_row([np.int32(2), np.bool_(True)]) == one_row([2, True])
    assert one_row([np.float32(2), True]) == one_row([2, True])


def test_a_feature_that_is_not_there_is_refused() -> None:
    profile = build(pl.DataFrame({"wind": [1.0], "rain": [0.0]}))
    with pytest.raises(DataError, match=r"^The rows have no feature 'rain' to count: did you mean 'train'\?"):
        cells(profile, pl.DataFrame({"wind": [1.0], "train": [2.0]}))
    with pytest.raises(DataError, match=r"^The values have no feature 'rain' to count"):
        row_cells(profile, ["wind"])
    with pytest.raises(DataError, match=r"^The profile has no scores: build it with the reference's scores"):
        score_cells(profile, np.array([0.5]))


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (b"[]", "A stored profile cannot be read: "),
        (b'{"features": [], "format": 9}', "A stored profile has format 9, this Outlast reads up to 1: use the one"),
    ],
)
def test_a_stored_profile_that_cannot_be_read(stored: bytes, sentence: str) -> None:
    with pytest.raises(StorageError, match=sentence):
        from_json(stored)


def test_a_scores_bins_without_values_are_kept() -> None:
    profile = build(pl.DataFrame({"x": [1]}), np.array([]), threshold=0.5)
    assert profile.scores == Bins("score", "number", counts=[0] * CELLS)


def test_a_row_is_counted_fast_enough_for_every_request() -> None:
    generator = np.random.default_rng(0)
    frame = pl.DataFrame({f"x{i}": generator.normal(size=500) for i in range(50)})
    one_row, rows = row_cells(build(frame)), frame.rows()
    seconds = min(timeit.repeat(lambda: [one_row(row) for row in rows], number=1, repeat=15))
    assert seconds / (500 * 50) < 1e-6
