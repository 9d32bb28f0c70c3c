"""One measure of the facts, in their order, in the forms that computing over slices of it needs."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]


class Column:
    """A measure's values in the order of the layout; `rows` says where each is in the series."""

    def __init__(self, series: pl.Series, rows: Ints) -> None:
        self._series = series
        self._rows = rows
        self.dtype = series.dtype

    @cached_property
    def series(self) -> pl.Series:
        return self._series.gather(pl.Series(self._rows))

    @cached_property
    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Which values are there; None when all are."""
        return self._series.is_not_null().to_numpy()[self._rows] if self._series.null_count() else None

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """The values as whole numbers or doubles, 0 where there is none."""
        kind = pl.Float64() if self.dtype.is_float() else pl.Int64()
        found: npt.NDArray[np.int64] | npt.NDArray[np.float64]
        found = self._series.cast(kind).fill_null(0).to_numpy()[self._rows]
        return found

    @cached_property
    def ranks(self) -> Ints:
        """For each value, how many different ones are less, plus 1; 0 where there is none. NaN is above all."""
        plain = self._series + 0.0 if self.dtype.is_float() else self._series
        return plain.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()[self._rows]

    def at(self, index: Ints, found: npt.NDArray[np.bool_]) -> pl.Series:
        """The values at some places, null where nothing was found."""
        rows = pl.Series(self._rows[np.where(found, index, 0)]) if len(self._rows) else pl.Series(index * 0)
        where = rows if found.all() else rows.set(pl.Series(~found), None)
        return self._series.gather(where)
