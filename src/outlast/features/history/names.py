"""Entities and facts as dense numbers, without spelling out their names where their own types tell them apart.

Two facts have the same text (`facts.spelled`) exactly when they have the same number here. Whole numbers, booleans and
one column of text are compared as they are; everything else by its text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.features.facts import spelled

Ints = npt.NDArray[np.int64]
Schema = Mapping[str, pl.DataType]
_WIDE = (pl.UInt64, pl.Int128, pl.UInt128)


def parts(columns: Sequence[str], types: Sequence[pl.DataType], *, cast: bool = False) -> list[pl.Expr]:
    """Expressions whose values, taken together, name what the columns name; with `cast`, columns of other types."""
    plain = [dtype == pl.Boolean or (dtype.is_integer() and dtype not in _WIDE) for dtype in types]
    if plain.count(False) > 1:
        return [spelled(columns, types=types if cast else None)]
    found = []
    for name, dtype, is_plain in zip(columns, types, plain, strict=True):
        part = pl.col(name).cast(dtype, strict=False) if cast else pl.col(name)
        found.append(part if is_plain else part.cast(pl.String))
    return found


@dataclass(frozen=True, eq=False)
class Numbers:
    """The number of every name among the facts."""

    known: pl.DataFrame | None
    least: int
    count: int

    def of(self, named: pl.DataFrame) -> Ints:
        """The numbers of rows of names: -1 where a part is missing, `count` for a name that no fact has."""
        if self.known is None:
            return self._shifted(named.to_series())
        joined = named.join(self.known, on=named.columns, how="left", maintain_order="left")
        missing = pl.any_horizontal(pl.col(named.columns).is_null())
        code = pl.when(missing).then(-1).otherwise(pl.col("code").fill_null(self.count))
        return joined.select(code.cast(pl.Int64)).to_series().to_numpy()

    def _shifted(self, names: pl.Series) -> Ints:
        missing = names.is_null().to_numpy() if names.null_count() else None
        filled = names if missing is None else names.fill_null(self.least)
        codes: Ints = filled.to_numpy().astype(np.int64, copy=False) - self.least
        if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < self.count:
            codes = np.where((codes < 0) | (codes >= self.count), self.count, codes)
        return codes if missing is None else np.where(missing, -1, codes)


def numbers(named: pl.DataFrame) -> Numbers:
    """Numbers for the names that occur in some rows."""
    names = named.to_series(0)
    if named.width == 1 and names.dtype.is_integer() and names.null_count() < len(names):
        least, most = int(names.min()), int(names.max())  # type: ignore[arg-type]
        if most - least < 4 * len(names):
            return Numbers(None, least, most - least + 1)
    known = named.unique(maintain_order=True).drop_nulls().with_row_index("code")
    return Numbers(known, 0, known.height)
