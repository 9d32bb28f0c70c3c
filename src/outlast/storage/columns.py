"""Which column types a table can keep, and how a frame is fitted to them without changing a value."""

from typing import TYPE_CHECKING, Any

from outlast.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def fit(name: str, frame: "pl.DataFrame", known: "dict[str, Any]", *, untyped: bool) -> "pl.DataFrame":
    """The frame with each column in the type its table keeps; refused when a value would change.

    Delta itself would cut 1.5 to 1 to fit a column of whole numbers. `known` are the table's columns; a column
    that is new, and null throughout without a type, is kept as text when `untyped`, and left out otherwise so
    that its first values decide.
    """
    import polars as pl

    _no_twins(name, [*known, *frame.columns])
    columns = []
    for column in frame.get_columns():
        if column.dtype == pl.Null and column.name not in known:
            columns.extend([column.cast(pl.String)] if untyped else [])
            continue
        target = known.get(column.name)
        columns.append(_cast(name, column, storable(name, column.name, column.dtype) if target is None else target))
    if not columns:
        raise DataError(f"Nothing was written to table '{name}': the rows have no column with a type; give one a type")
    return pl.DataFrame(columns)


def storable(table: str, column: str, dtype: Any) -> Any:
    """The nearest type that Delta keeps and that holds every value of this one, save digits below a microsecond."""
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC" if dtype.time_zone else None)
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(storable(table, column, dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: storable(table, column, field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.Duration | pl.Time | pl.Object | pl.Unknown):
        raise DataError(
            f"Table '{table}' cannot keep column '{column}' of type {dtype}: expected numbers, text, booleans, bytes, "
            "dates or times with a date; cast it first, a length of time to seconds for one"
        )
    return _NEAREST().get(dtype.base_type(), dtype)


def _NEAREST() -> dict[Any, Any]:
    import polars as pl

    return {
        pl.UInt8: pl.Int16(),
        pl.UInt16: pl.Int32(),
        pl.UInt32: pl.Int64(),
        pl.UInt64: pl.Int64(),
        pl.Int128: pl.Int64(),
        pl.UInt128: pl.Int64(),
        pl.Float16: pl.Float32(),
        pl.Categorical: pl.String(),
        pl.Enum: pl.String(),
        pl.Null: pl.String(),
    }


def _cast(table: str, column: "pl.Series", target: Any) -> "pl.Series":
    import polars as pl

    if column.dtype == target:
        return column
    try:
        cast = column.cast(target, strict=True)
        kept = _compatible(column.dtype, target) and bool(column.eq_missing(cast.cast(column.dtype, strict=True)).all())
    except pl.exceptions.PolarsError:
        kept = False
    if not kept and not _same_instant(column.dtype, target):
        raise DataError(
            f"Column '{column.name}' does not fit table '{table}': expected {target}, got {column.dtype} with values "
            "that would change; cast the column, or give it a name of its own"
        )
    return cast


def _compatible(given: Any, target: Any) -> bool:
    """Text and numbers never stand in for each other, though each could be spelt as the other."""
    import polars as pl

    if given == pl.Null or given.is_nested():
        return True
    text = (pl.String, pl.Categorical, pl.Enum)
    if given in text or target in text:
        return given in text and target in text
    return bool(given.is_temporal() == target.is_temporal() and (given == pl.Boolean) == (target == pl.Boolean))


def _same_instant(given: Any, target: Any) -> bool:
    import polars as pl

    times = isinstance(given, pl.Datetime) and isinstance(target, pl.Datetime)
    return times and (given.time_zone is None) == (target.time_zone is None)


def _no_twins(name: str, columns: list[str]) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        other = seen.setdefault(column.lower(), column)
        if other != column:
            raise DataError(
                f"Table '{name}' cannot keep both '{other}' and '{column}': names that differ only in case are one "
                "column to Delta; rename one"
            )
