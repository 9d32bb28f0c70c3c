"""Running totals that lose nothing, so that a difference of two is the exact sum in between.

Floats that are whole multiples of one small power of two (whole minutes, cents kept as quarters, most measured data)
are added as 64-bit integers; where that could overflow or something is not such a multiple, there are no totals and
the caller adds one by one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
SHIFTS = (0, 3, 10, 20)


@dataclass(frozen=True, eq=False)
class PrefixSums:
    """Totals and counts before each fact; `shift` says which power of two was multiplied in, -1 for whole numbers."""

    totals: Ints
    counts: Ints
    shift: int

    def between(self, low: Ints, high: Ints) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """The exact sum of the facts from low up to high, rounded once."""
        exact = self.totals[high] - self.totals[low]
        if self.shift < 0:
            return exact
        return np.ldexp(exact.astype(np.float64), -self.shift)


def prefix_sums(measure: pl.Series, *, count_only: bool = False) -> PrefixSums | None:
    """Running totals of a measure, or None where they would not be exact."""
    present = measure.is_not_null().to_numpy()
    counts = _running(present.astype(np.int64))
    if count_only:
        return PrefixSums(counts, counts, -1)
    if measure.dtype.is_float():
        return _of_floats(measure.fill_null(0.0).to_numpy(), counts)
    if measure.dtype == pl.Boolean or measure.dtype == pl.Int64:
        whole = measure.cast(pl.Int64).fill_null(0).to_numpy()
        return None if _may_overflow(whole) else PrefixSums(_running(whole), counts, -1)
    return None


def _of_floats(values: npt.NDArray[np.float64], counts: Ints) -> PrefixSums | None:
    if not np.isfinite(values).all():
        return None
    for shift in SHIFTS:
        scaled = np.ldexp(values, shift)
        if (scaled == np.rint(scaled)).all() and (np.abs(scaled) < 2.0**53).all():
            whole = scaled.astype(np.int64)
            return None if _may_overflow(whole) else PrefixSums(_running(whole), counts, shift)
    return None


def _may_overflow(values: Ints) -> bool:
    return len(values) > 0 and float(np.abs(values.astype(np.float64)).sum()) >= 2.0**62


def _running(values: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
