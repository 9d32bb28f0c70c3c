"""Aggregations over many windows at once: the facts of all of them in one row of slices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.features.arithmetic import around, total
from outlast.features.history.exact import HUGE, MOST_LIMBS, Scale, rounded, split_by
from outlast.features.recognised import How

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segments:
    """Slices one after the other: `index` says which fact each place holds, `offsets` where each slice begins."""

    index: Ints
    offsets: Ints

    @cached_property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    @cached_property
    def owner(self) -> Ints:
        """Which slice each place belongs to."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def filled(self) -> Ints:
        """The slices that hold something."""
        return np.flatnonzero(self.lengths)

    def where(self, mask: Bools) -> "Segments":
        """The places that a mask keeps."""
        kept = np.concatenate(([0], np.cumsum(mask)))
        return Segments(self.index[mask], kept[self.offsets])

    def reduce(self, ufunc: np.ufunc, values: npt.NDArray[Any], empty: Any = 0) -> npt.NDArray[Any]:
        """One value for each slice; `empty` for one that holds nothing."""
        found = np.full(len(self.lengths), empty, values.dtype)
        if len(self.filled):
            found[self.filled] = ufunc.reduceat(values, self.offsets[self.filled])
        return found


def gathered(low: Ints, high: Ints) -> Segments:
    """The facts from each low up to its high."""
    lengths = high - low
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return Segments(np.arange(offsets[-1]) + np.repeat(low - offsets[:-1], lengths), offsets)


def chunks(low: Ints, high: Ints, most: int) -> Iterator[slice]:
    """Runs of windows that hold at most so many facts together, or one window alone that holds more."""
    ends = np.cumsum(high - low)
    start, before = 0, 0
    while start < len(ends):
        stop = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        yield slice(start, stop)
        start, before = stop, int(ends[stop - 1])


def sums(segments: Segments, values: Floats) -> Floats:
    """The exact sum of each slice, rounded once, as `arithmetic.total` gives it."""
    finite = np.isfinite(values)
    plain = values if finite.all() else np.where(finite, values, 0.0)
    found, alone = _finite_sums(segments, plain)
    if plain is not values:
        alone |= segments.reduce(np.logical_or, ~finite, False)
    for one in np.flatnonzero(alone):
        found[one] = total(values[segments.offsets[one] : segments.offsets[one + 1]].tolist())
    return found


def _finite_sums(segments: Segments, values: Floats) -> tuple[Floats, Bools]:
    """Sums of finite values, and the slices whose values lie too far apart for that."""
    size = np.abs(values)
    high = np.frexp(segments.reduce(np.maximum, size))[1].astype(np.int64)
    size[size == 0] = np.inf
    least = segments.reduce(np.minimum, size, np.inf)
    least[np.isinf(least)] = 1.0
    base = np.frexp(least)[1].astype(np.int64) - 53
    room = int(segments.lengths.max(initial=0)).bit_length()
    width = min(52, 62 - room)
    alone = (high > HUGE) | (high - base > width * MOST_LIMBS)
    limbs = -(-int((high - base)[~alone].max(initial=1)) // width)
    values = np.where(alone[segments.owner], 0.0, values) if alone.any() else values
    parts = split_by(values, base, segments.owner, Scale(0, width, max(limbs, 1)))
    return rounded([segments.reduce(np.add, part) for part in parts], base, width), alone


def variances(segments: Segments, values: Floats, ddof: int, summed: Floats | None = None) -> tuple[Floats, Bools]:
    """The variance of each slice, and for which there is one; `summed` is each slice's sum where it is known."""
    count = segments.lengths
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        middle = (sums(segments, values) if summed is None else summed) / count
        distance = values - middle[segments.owner]
        finite = np.isfinite(middle)
        squares = np.where(finite[segments.owner], distance * distance, 0.0)
        found = sums(segments, squares) / (count - ddof)
    return np.where(finite, found, np.nan), count > ddof


def extremes(segments: Segments, values: npt.NDArray[Any], *, least: bool) -> npt.NDArray[Any]:
    """The least or the greatest value of each slice, NaN only where there is nothing else."""
    if values.dtype.kind != "f":
        return segments.reduce(np.minimum if least else np.maximum, values)
    beyond = np.inf if least else -np.inf
    real = ~np.isnan(values)
    found = segments.reduce(np.minimum if least else np.maximum, np.where(real, values, beyond))
    nothing = ~segments.reduce(np.logical_or, real, False)
    return np.where(nothing, np.nan, found) + 0.0


def distinct(segments: Segments, ranks: Ints) -> Ints:
    """How many different ranks each slice holds."""
    if not len(ranks):
        return np.zeros(len(segments.lengths), np.int64)
    ordered = np.sort(segments.owner * (int(ranks.max()) + 1) + ranks)
    new = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    return segments.where(new).lengths


def quantiles(segments: Segments, values: Floats, how: How) -> tuple[Floats, Bools]:
    """A quantile of each slice, and for which there is one."""
    filled, sizes = segments.filled, segments.lengths[segments.filled]
    ordered = values[np.lexsort((values, segments.owner))] + 0.0
    each = {int(size): around(int(size), how.share, how.between) for size in np.unique(sizes)}
    places = np.array([each[int(size)] for size in sizes], np.float64).reshape(-1, 3)
    starts = segments.offsets[filled]
    below = ordered[starts + places[:, 0].astype(np.int64)]
    above = ordered[starts + places[:, 1].astype(np.int64)]
    with np.errstate(invalid="ignore", over="ignore"):
        between = (below + above) / 2 if how.between == "midpoint" else below + places[:, 2] * (above - below)
    found = np.zeros(len(segments.lengths))
    found[filled] = np.where((places[:, 0] == places[:, 1]) | (below == above), below, between)
    return found, segments.lengths > 0
