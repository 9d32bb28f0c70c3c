"""Rows of every kind on which a compiled function must agree with the frame before it is taken.

What is known of Polars here was measured with one release. A later one that computes otherwise is found by this, not
by a model's answers.
"""

import math
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

from outlast.errors import OutlastError
from outlast.features.functions import apply
from outlast.features.rowwise.operations import bounds
from outlast.features.rowwise.refusal import Refused

_ROWS = 36
_FLOATS = [0.0, 31.0, -0.0, 1.5, None, -7.25, math.nan, 1e-9, 12345.678, math.inf, 0.1, -2.5, 59.0]
_TEXTS = ["", "a", "UA", None, "Straße", "  x ", "12", "N14228", "é", "abc-def", "true"]
_MOMENTS = [
    datetime(2013, 7, 1, 12), datetime(2024, 2, 29, 23, 59, 59, 999000), None, datetime(1970, 1, 1),
    datetime(2020, 11, 1, 5, 30), datetime(2020, 11, 1, 6, 30), datetime(2021, 3, 14, 7),
    datetime(1969, 12, 31, 23, 45),
    datetime(2025, 12, 29, 4, 15), datetime(2027, 1, 3, 17), datetime(1950, 6, 15, 8, 7, 6),
]  # fmt: skip
_LENGTHS = [timedelta(hours=1), None, timedelta(0), timedelta(days=-2, minutes=7), timedelta(seconds=90)]
_TIMES = [time(0), time(17, 30), None, time(23, 59, 59, 999000)]


def proven(function: Callable[..., Any], schema: pl.Schema, compiled: Callable[[Sequence[Any]], list[Any]]) -> bool:
    """Whether the samples come out alike: all at once, or where the frame fails over one, each for itself."""
    try:
        frame = sample(schema)
    except (Refused, pl.exceptions.PolarsError):
        return False
    parts = [frame] if _frame(function, frame) is not None else [frame[i : i + 1] for i in range(frame.height)]
    compared = 0
    for part in parts:
        expected = _frame(function, part)
        if expected is None:
            continue
        if [spelt(row) for row in expected] != [spelt(compiled(row)) for row in part.rows()]:
            return False
        compared += part.height
    return compared > 0


def spelt(row: Sequence[Any]) -> list[Any]:
    """A row's values with their types and bits, all that is not a number being one."""
    return [(type(value), _bits(value), str(getattr(value, "tzinfo", ""))) for value in row]


def sample(schema: pl.Schema) -> pl.DataFrame:
    """Rows in which each column goes through its values at a pace of its own."""
    columns = []
    for place, (name, dtype) in enumerate(schema.items()):
        known = _known(dtype)
        values = [known[(row * (1 + place % 3) + place) % len(known)] for row in range(_ROWS)]
        columns.append(_column(name, values, dtype))
    return pl.DataFrame(columns)


def _frame(function: Callable[..., Any], rows: pl.DataFrame) -> list[tuple[Any, ...]] | None:
    try:
        return apply(function, rows).rows()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OutlastError, ValueError, OverflowError):
        return None  # some of these values may not suit the function: the others tell


def _column(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Datetime):
        physical = pl.Series(name, values, dtype=pl.Datetime(dtype.time_unit)).to_physical()
        return physical.cast(dtype)
    return pl.Series(name, values, dtype=dtype)


def _known(dtype: pl.DataType) -> list[Any]:
    if dtype.is_integer():
        low, high = bounds(dtype)
        return [0, 1, None, 7, 60, 100, high, low, 59, 31, low + 1, 3, high - 1]
    kinds: dict[Any, list[Any]] = {
        pl.Datetime: _MOMENTS, pl.Duration: _LENGTHS, pl.Time: _TIMES, pl.String: _TEXTS,
        pl.Boolean: [True, None, False],
        pl.Date: [one and date(one.year, one.month, one.day) for one in _MOMENTS],
    }  # fmt: skip
    found = _FLOATS if dtype.is_float() else kinds.get(dtype.base_type())
    if found is None:
        raise Refused(f"{dtype} is not promised")
    return found


def _bits(value: Any) -> Any:
    if type(value) is not float:
        return value
    return "NaN" if value != value else struct.pack("<d", value)
