"""The reference profile: bins frozen at training, how many rows fell into each, and how a row finds its own.

A feature has 20 cells: 16 bins (of a number, between quantiles; of a category, the 15 most frequent and *other*), then
*missing*, *below* and *above* the reference's range, and *unseen*. Cells of one row are kept with each prediction, so
that monitoring adds counts and never reads rows again.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.errors import DataError, nearest
from outlast.storage import formats
from outlast.types import FORMAT

BINS = 16
CELLS = 20
OTHER = 15
MISSING, BELOW, ABOVE, UNSEEN = 16, 17, 18, 19
KNOWN = 10_000
"""The longest list of categories a profile keeps; past it, a word it does not know counts as *other*."""

Cells = npt.NDArray[np.uint8]
Cell = Callable[[Any], int]
_NUMBERS = (int, float, Decimal, np.number, np.bool_)


class Bins(msgspec.Struct, frozen=True, dict=True):
    """The bins of one feature, or of the scores.

    Numbers: bin *i* holds edges[i] <= value < edges[i+1], the last one its upper edge too; the outer edges are the
    reference's least and greatest value. Categories: by falling frequency, the first 15 with a bin of their own;
    unless `complete`, there were more than are listed.
    """

    name: str
    kind: Literal["number", "category"]
    edges: list[float] = []
    categories: list[str] = []
    counts: list[int] = []
    complete: bool = True

    @cached_property
    def inner(self) -> list[float]:
        """The edges between bins."""
        return self.edges[1:-1]

    @cached_property
    def places(self) -> dict[str, int]:
        """The cell of each known category."""
        return {word: min(index, OTHER) for index, word in enumerate(self.categories)}

    @property
    def stranger(self) -> int:
        """The cell of a category that is not listed."""
        return UNSEEN if self.complete else OTHER


class Profile(msgspec.Struct, frozen=True):
    """The bins of every feature, of the scores, and the number of rows counted."""

    features: list[Bins]
    scores: Bins | None = None
    rows: int = 0
    format: int = FORMAT

    @property
    def names(self) -> list[str]:
        return [bins.name for bins in self.features]


_DECODE = msgspec.json.Decoder(Profile).decode


def build(frame: pl.DataFrame, scores: npt.NDArray[Any] | None = None, *, threshold: float | None = None) -> Profile:
    """The profile of a reference: one row per decision, one column per feature; moments have no bins.

    The decision threshold becomes an edge of the score bins, so that counts say how many fell on either side.
    """
    features = [_bins(column) for column in frame.get_columns() if _has_bins(column.dtype)]
    if scores is None:
        return Profile(features, None, frame.height)
    values = np.asarray(scores, dtype=np.float64)
    bins = Bins("score", "number", edges=_edges(values, threshold))
    return Profile(features, _counted(bins, _number_cells(bins, values)), frame.height)


def recounted(bins: Bins, name: str, column: pl.Series) -> Bins:
    """The same bins under a feature's name, with the counts of another column."""
    return _counted(msgspec.structs.replace(bins, name=name), column_cells(bins, column))


def cells(profile: Profile, frame: pl.DataFrame) -> Cells:
    """The cell of every row and feature, in the profile's order of features."""
    found = np.empty((frame.height, len(profile.features)), dtype=np.uint8)
    for index, bins in enumerate(profile.features):
        if bins.name not in frame.columns:
            raise DataError(f"The rows have no feature '{bins.name}' to count: {nearest(bins.name, frame.columns)}")
        found[:, index] = column_cells(bins, frame[bins.name])
    return found


def row_cells(profile: Profile, names: Sequence[str] | None = None) -> Callable[[Sequence[Any]], bytes]:
    """The same for one row of plain values, fast enough for every request.

    The values come in the order of `names`, by default the profile's own; names the profile does not have are skipped.
    """
    given = profile.names if names is None else list(names)
    absent = next((name for name in profile.names if name not in given), None)
    if absent is not None:
        raise DataError(f"The values have no feature '{absent}' to count: {nearest(absent, given)}")
    steps = [(given.index(bins.name), cell_of(bins)) for bins in profile.features]
    if [place for place, _ in steps] == list(range(len(given))):
        ordered = [cell for _, cell in steps]
        return lambda values: bytes([cell(value) for cell, value in zip(ordered, values, strict=True)])
    return lambda values: bytes([cell(values[place]) for place, cell in steps])


def score_cells(profile: Profile, scores: npt.NDArray[Any]) -> Cells:
    """The cell of each score."""
    return _number_cells(_scores(profile), np.asarray(scores, dtype=np.float64))


def to_json(profile: Profile) -> bytes:
    """The profile as it is stored."""
    return msgspec.json.encode(profile)


def from_json(data: bytes | str) -> Profile:
    """A stored profile."""
    return formats.read(_DECODE, data, "A stored profile", mend="take it from a version that is whole")


def _scores(profile: Profile) -> Bins:
    if profile.scores is None:
        raise DataError("The profile has no scores: build it with the reference's scores")
    return profile.scores


def _has_bins(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.base_type() in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)


def _bins(column: pl.Series) -> Bins:
    if column.dtype.is_numeric():
        bins = Bins(column.name, "number", edges=_edges(_floats(column), None))
    else:
        words = column.cast(pl.String).drop_nulls().value_counts(name="n")
        ranked = words.sort(pl.col("n"), pl.col(column.name), descending=[True, False])[column.name]
        bins = Bins(column.name, "category", categories=ranked.head(KNOWN).to_list(), complete=len(ranked) <= KNOWN)
    return _counted(bins, column_cells(bins, column))


def _counted(bins: Bins, found: Cells) -> Bins:
    return msgspec.structs.replace(bins, counts=np.bincount(found, minlength=CELLS).tolist())


def _edges(values: npt.NDArray[np.float64], threshold: float | None) -> list[float]:
    """Quantile edges, each once; a value of its own for each bin when there are few. Infinities have no bin."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return []
    distinct = np.unique(finite)
    room = BINS - (threshold is not None)
    if len(distinct) <= room:
        edges = [*distinct.tolist(), float(distinct[-1])]
    else:
        edges = np.unique(np.quantile(finite, np.linspace(0, 1, room + 1), method="inverted_cdf")).tolist()
    if threshold is None:
        return [float(edge) + 0.0 for edge in edges]
    low, high = min(edges[0], threshold, 0.0), max(edges[-1], threshold, 1.0)
    return [low, *sorted({*(edge for edge in edges[1:-1] if low < edge), threshold}), high]


def _floats(column: pl.Series) -> npt.NDArray[np.float64]:
    return column.cast(pl.Float64).fill_null(math.nan).to_numpy()


def column_cells(bins: Bins, column: pl.Series) -> Cells:
    """The cell of every value of a column."""
    if bins.kind == "number":
        if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
            return _number_cells(bins, _floats(column))
        return _strange(column)
    if column.dtype.base_type() not in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null):
        return _strange(column)
    words = column.cast(pl.String)
    if not bins.categories:
        return words.is_null().replace_strict([True, False], [MISSING, bins.stranger], return_dtype=pl.UInt8).to_numpy()
    known, places = list(bins.places), list(bins.places.values())
    found = words.replace_strict(known, places, default=bins.stranger, return_dtype=pl.UInt8)
    return np.where(words.is_null().to_numpy(), np.uint8(MISSING), found.fill_null(MISSING).to_numpy())


def _strange(column: pl.Series) -> Cells:
    """Values of another kind than the reference's."""
    return np.where(column.is_null().to_numpy(), np.uint8(MISSING), np.uint8(UNSEEN))


def _number_cells(bins: Bins, values: npt.NDArray[np.float64]) -> Cells:
    if not bins.edges:
        return np.where(np.isnan(values), np.uint8(MISSING), np.uint8(UNSEEN))
    found = np.searchsorted(np.asarray(bins.inner), values, side="right").astype(np.uint8)
    found[values < bins.edges[0]] = BELOW
    found[values > bins.edges[-1]] = ABOVE
    found[np.isnan(values)] = MISSING
    return found


def cell_of(bins: Bins) -> Cell:
    """From one plain value of a feature to its cell."""
    if bins.kind == "category":
        return _category_cell(bins)
    return _number_cell(bins)


def _category_cell(bins: Bins) -> Cell:
    places, stranger = bins.places, bins.stranger

    def cell(value: Any) -> int:
        if value.__class__ is str:
            return places.get(value, stranger)
        if value is None:
            return MISSING
        if isinstance(value, bool | np.bool_):
            return places.get("true" if value else "false", stranger)
        return places.get(str(value), stranger) if isinstance(value, str) else UNSEEN

    return cell


def _number_cell(bins: Bins) -> Cell:
    if not bins.edges:
        return lambda value: MISSING if value is None or value != value else UNSEEN
    low, high, inner = bins.edges[0], bins.edges[-1], bins.inner

    def cell(value: Any) -> int:
        if value is None:
            return MISSING
        if value.__class__ is not float:
            if not isinstance(value, _NUMBERS):
                return UNSEEN
            value = float(value)
        if low <= value <= high:
            return bisect_right(inner, value)
        return BELOW if value < low else ABOVE if value > high else MISSING

    return cell
