"""One measure of the facts, in their order, in the forms that computing over slices of it needs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Which row of a source each fact is: its number in time, the low bits of its place, by way of their `order`."""

    place: Ints
    bits: int
    order: Ints | None = None

    def __len__(self) -> int:
        return len(self.place)

    def at(self, index: Ints) -> Ints:
        """The rows of some facts."""
        return self._found(self.place[index])

    @cached_property
    def all(self) -> Ints:
        """The rows of all facts, which take as much memory again as their places."""
        return self._found(self.place)

    def _found(self, place: Ints) -> Ints:
        number = place & ((1 << self.bits) - 1)
        return number if self.order is None else self.order[number]


class Column:
    """A measure's values in the order of the layout; `rows` says where each is in the series."""

    def __init__(self, series: pl.Series, rows: Rows) -> None:
        self._series = series
        self._rows = rows
        self.dtype = series.dtype

    @cached_property
    def series(self) -> pl.Series:
        return self._series.gather(pl.Series(self._rows.all))

    @cached_property
    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Which values are there; None when all are."""
        return self._series.is_not_null().to_numpy()[self._rows.all] if self._series.null_count() else None

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """The values as whole numbers or doubles, 0 where there is none."""
        kind = pl.Float64() if self.dtype.is_float() else pl.Int64()
        found: npt.NDArray[np.int64] | npt.NDArray[np.float64]
        found = self._series.cast(kind).fill_null(0).to_numpy()[self._rows.all]
        return found

    @cached_property
    def ranks(self) -> Ints:
        """For each value, how many different ones are less, plus 1; 0 where there is none. NaN is above all."""
        plain = self._series + 0.0 if self.dtype.is_float() else self._series
        return plain.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()[self._rows.all]

    def at(self, index: Ints, found: npt.NDArray[np.bool_]) -> pl.Series:
        """The values at some places, null where nothing was found."""
        rows = pl.Series(self._rows.at(np.where(found, index, 0)) if len(self._rows) else index * 0)
        where = rows if found.all() else rows.set(pl.Series(~found), None)
        return self._series.gather(where)
