"""What a source's columns are: types, how often nothing is there, ranges, categories."""

import re
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl

from outlast.errors import DataError, nearest
from outlast.storage import formats
from outlast.types import FORMAT

MANY = 100
"""A text column with more distinct values than this has no list of categories."""


class Field(msgspec.Struct, frozen=True):
    """One column: its type by name, its share of missing values, its range, its categories when they are few.

    NaN counts as missing. `low` and `high` are finite numbers, or ISO text for dates and moments.
    """

    name: str
    dtype: str
    nulls: float = 0.0
    low: int | float | str | None = None
    high: int | float | str | None = None
    categories: list[str] | None = None


class Schema(msgspec.Struct, frozen=True):
    """The columns of a source as they were once seen, and how many rows that was."""

    fields: list[Field]
    key: list[str] = []
    rows: int = 0
    format: int = FORMAT

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    def field(self, name: str) -> Field | None:
        """The column of that name, if there is one."""
        return next((field for field in self.fields if field.name == name), None)


_DECODE = msgspec.json.Decoder(Schema).decode


_SIMPLE: dict[str, pl.DataType] = {
    str(kind): kind
    for kind in (
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
        *(pl.Float32(), pl.Float64(), pl.String(), pl.Boolean(), pl.Date(), pl.Time()),
    )
}
_STANDS_FOR: dict[Any, str] = {
    pl.Categorical: "String",
    pl.Enum: "String",
    pl.Null: "String",
    pl.Decimal: "Float64",
    pl.Float16: "Float32",
}
_TIMED = re.compile(r"(?P<kind>Datetime|Duration)\((?P<unit>ms|us|ns)(, (?P<zone>[^,()]+))?\)")


def dtype_name(dtype: pl.DataType) -> str:
    """The name of a column's type, as schemas store it.

    >>> dtype_name(pl.Datetime("us", "UTC")), dtype_name(pl.Enum(["a"]))
    ('Datetime(us, UTC)', 'String')
    """
    if isinstance(dtype, pl.Datetime):
        return f"Datetime({dtype.time_unit}, {dtype.time_zone})" if dtype.time_zone else f"Datetime({dtype.time_unit})"
    if isinstance(dtype, pl.Duration):
        return f"Duration({dtype.time_unit})"
    name = _STANDS_FOR.get(dtype.base_type(), str(dtype))
    if name not in _SIMPLE:
        raise DataError(f"Type {dtype} is none that a model can use: cast the column to numbers, text or moments")
    return name


def dtype_of(name: str) -> pl.DataType:
    """The type that a name stands for: the inverse of dtype_name.

    >>> dtype_of("Datetime(us, UTC)")
    Datetime(time_unit='us', time_zone='UTC')
    """
    if name in _SIMPLE:
        return _SIMPLE[name]
    timed = _TIMED.fullmatch(name)
    if timed and timed["kind"] == "Datetime":
        return pl.Datetime(timed["unit"], timed["zone"])  # type: ignore[arg-type]
    if timed and not timed["zone"]:
        return pl.Duration(timed["unit"])  # type: ignore[arg-type]
    raise DataError(f"'{name}' names no type of a column: {nearest(name, [*_SIMPLE, 'Datetime(us, UTC)'])}")


def types(schema: Schema) -> dict[str, pl.DataType]:
    """Every column's type, in order."""
    return {field.name: dtype_of(field.dtype) for field in schema.fields}


def infer(frame: pl.LazyFrame, columns: Sequence[str] | None = None, *, key: Sequence[str] = ()) -> Schema:
    """What these rows are, from one pass over them and a second over the text columns that may be categories.

    Without `columns`, lists, structs and bytes, which no model can use, are left out; named, they are an error.
    """
    found = frame.collect_schema()
    dtypes = _usable(found) if columns is None else {name: _named(found, name) for name in columns}
    wanted = [pl.len().alias("rows"), *(e for name, dtype in dtypes.items() for e in _figures(name, dtype))]
    seen = frame.select(wanted).collect(engine="streaming").row(0, named=True)
    categories = _categories(frame, [name for name in dtypes if seen.get(f"{name}:distinct", MANY * 2) <= MANY * 1.3])
    fields = [_field(name, dtype, seen, categories.get(name)) for name, dtype in dtypes.items()]
    return Schema(fields, list(key), seen["rows"])


def to_json(schema: Schema) -> bytes:
    """The schema as it is stored."""
    return msgspec.json.encode(schema)


def from_json(data: bytes | str) -> Schema:
    """A stored schema."""
    return formats.read(_DECODE, data, "A stored schema", mend="take it from a version that is whole")


def is_text(dtype: pl.DataType) -> bool:
    """Whether values are words: text, or one of Polars' kinds of categories."""
    return dtype.base_type() in (pl.String, pl.Categorical, pl.Enum)


def missing(name: str, dtype: pl.DataType) -> pl.Expr:
    """True where a column says nothing: null, or NaN."""
    column = pl.col(name)
    return column.is_null() | column.is_nan().fill_null(False) if dtype.is_float() else column.is_null()


def _usable(found: pl.Schema) -> dict[str, pl.DataType]:
    unusable = (pl.List, pl.Array, pl.Struct, pl.Binary, pl.Object)
    return {name: dtype for name, dtype in found.items() if not isinstance(dtype, unusable)}


def _named(found: pl.Schema, name: str) -> pl.DataType:
    if name not in found:
        raise DataError(f"There is no column '{name}' among the rows: {nearest(name, found.names())}")
    try:
        dtype_name(found[name])
    except DataError as error:
        raise DataError(f"Column '{name}' cannot be used: {error}") from None
    return found[name]


def _figures(name: str, dtype: pl.DataType) -> list[pl.Expr]:
    figures = [missing(name, dtype).sum().alias(f"{name}:missing")]
    if is_text(dtype):
        return [*figures, pl.col(name).cast(pl.String).approx_n_unique().alias(f"{name}:distinct")]
    if dtype.is_numeric() or dtype.is_temporal():
        column = pl.col(name)
        known = column.filter(column.is_finite()) if dtype.is_float() else column
        return [*figures, known.min().alias(f"{name}:low"), known.max().alias(f"{name}:high")]
    return figures


def _categories(frame: pl.LazyFrame, names: list[str]) -> dict[str, list[str]]:
    if not names:
        return {}
    words = [pl.col(name).cast(pl.String).unique().drop_nulls().sort().implode() for name in names]
    found = frame.select(words).collect(engine="streaming").row(0, named=True)
    return {name: list(values) for name, values in found.items() if 0 < len(values) <= MANY}


def _field(name: str, dtype: pl.DataType, seen: dict[str, Any], categories: list[str] | None) -> Field:
    nulls = seen[f"{name}:missing"] / seen["rows"] if seen["rows"] else 0.0
    low, high = (_bound(seen.get(f"{name}:{end}")) for end in ("low", "high"))
    return Field(name, dtype_name(dtype), nulls, low, high, categories)


def _bound(value: Any) -> int | float | str | None:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    return str(value.isoformat()) if isinstance(value, date | time) else str(value)
