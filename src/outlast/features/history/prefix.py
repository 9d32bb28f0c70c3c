"""Sums of every window as differences of running totals that lose nothing."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.features.history.column import Column
from outlast.features.history.exact import Floats, Ints, Scale, rounded, running, scale_for


@dataclass(frozen=True, eq=False)
class Totals:
    """Running totals of a measure; without a scale its values are whole numbers."""

    limbs: list[Ints]
    scale: Scale | None
    counts: Ints | None
    odd: tuple[Ints, Ints, Ints] | None
    """How many are NaN, endless above and endless below, where any is."""

    def counted(self, low: Ints, high: Ints) -> Ints:
        """How many values are there from each low up to its high."""
        return high - low if self.counts is None else self.counts[high] - self.counts[low]

    def sums(self, low: Ints, high: Ints) -> Ints | Floats:
        """The exact sum from each low up to its high, rounded once."""
        parts = [limb[high] - limb[low] for limb in self.limbs]
        if self.scale is None:
            return parts[0]
        found = rounded(parts, self.scale.base, self.scale.width)
        return found if self.odd is None else _beyond(found, [odd[high] - odd[low] for odd in self.odd])


def totals(column: Column, most: int) -> Totals | None:
    """Running totals for windows of at most `most` facts; None where they could not be exact."""
    values = column.numbers
    if values.dtype == np.int64:
        size = max(abs(int(values.min(initial=0))), abs(int(values.max(initial=0))))
        whole = values.astype(np.int64, copy=False)
        return None if size * most >= 2**63 else Totals([_before(whole)], None, counts(column), None)
    doubles: Floats = values.astype(np.float64, copy=False)
    odd = None
    if not np.isfinite(doubles).all():
        odd = _before(np.isnan(doubles)), _before(doubles == np.inf), _before(doubles == -np.inf)
        doubles = np.where(np.isfinite(doubles), doubles, 0.0)
    scale = scale_for(doubles, most)
    return None if scale is None else Totals(running(doubles, scale), scale, counts(column), odd)


def counts(column: Column) -> Ints | None:
    """How many values are there before each fact; None when all are."""
    return None if column.valid is None else _before(column.valid)


def _before(values: npt.NDArray[np.bool_] | Ints) -> Ints:
    found = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=found[1:])
    return found


def _beyond(found: Floats, odd: list[Ints]) -> Floats:
    none, above, below = (count > 0 for count in odd)
    found = np.where(above, np.inf, np.where(below, -np.inf, found))
    return np.where(none | (above & below), np.nan, found)
