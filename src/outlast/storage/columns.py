"""Which column types a table can keep, and how a frame is fitted to them without changing a value."""

from typing import TYPE_CHECKING, Any

from outlast.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def fit(name: str, frame: "pl.DataFrame", known: "dict[str, Any]", *, untyped: bool) -> "pl.DataFrame":
    """The frame with each column in the type its table keeps; refused when a value would change.

    Delta itself would cut 1.5 to 1 to fit a column of whole numbers. `known` are the table's columns. A column, or a
    field inside one, that is new and null throughout without a type is kept as text when `untyped`, and left out
    otherwise, so that its first values decide.
    """
    import polars as pl

    _no_twins(name, [*known, *frame.columns])
    columns = []
    for column in frame.get_columns():
        wanted = storable(name, column.name, column.dtype, known.get(column.name))
        if wanted is None and untyped:
            wanted = _as_text(column.dtype)
        if wanted is not None:
            columns.append(_cast(name, column, wanted))
    if not columns:
        raise DataError(f"Nothing was written to table '{name}': the rows have no column with a type; give one a type")
    return pl.DataFrame(columns)


def storable(table: str, column: str, given: Any, known: Any = None) -> Any:
    """The type a table keeps for one that is given: what it has already, else the nearest that Delta can keep.

    The nearest holds every value of the other, save digits below a microsecond. None when nothing is known.
    """
    import polars as pl

    if isinstance(given, pl.Struct) and (known is None or isinstance(known, pl.Struct)):
        return _fields(table, column, given, known)
    if isinstance(given, pl.List | pl.Array) and (known is None or isinstance(known, pl.List)):
        inner = storable(table, column, given.inner, None if known is None else known.inner)
        return None if inner is None else pl.List(inner)
    if known is not None or given == pl.Null:
        return known
    if isinstance(given, pl.Datetime):
        return pl.Datetime("us", "UTC" if given.time_zone else None)
    if isinstance(given, pl.Duration | pl.Time | pl.Object | pl.Unknown):
        raise DataError(
            f"Table '{table}' cannot keep column '{column}' of type {given}: expected numbers, text, booleans, bytes, "
            "dates or times with a date; cast it first, a length of time to seconds for one"
        )
    return _nearest().get(given.base_type(), given)


def _fields(table: str, column: str, given: Any, known: Any) -> Any:
    import polars as pl

    before = {} if known is None else {field.name: field.dtype for field in known.fields}
    now = {field.name: storable(table, column, field.dtype, before.get(field.name)) for field in given.fields}
    fields = {name: dtype for name, dtype in now.items() if dtype is not None}
    return pl.Struct(fields) if fields else None


def _as_text(dtype: Any) -> Any:
    import polars as pl

    return pl.List(_as_text(dtype.inner)) if isinstance(dtype, pl.List | pl.Array) else pl.String()


def _nearest() -> dict[Any, Any]:
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
    }


def _cast(table: str, column: "pl.Series", target: Any) -> "pl.Series":
    import polars as pl

    if column.dtype == target:
        return column
    given = _common(column.dtype, target)
    try:
        cast = _through(column, column.dtype, target)
        kept = given is not None and _through(cast, target, given).equals(_through(column, column.dtype, given))
    except pl.exceptions.PolarsError:
        kept = False
    if not kept:
        raise DataError(
            f"Column '{column.name}' does not fit table '{table}': expected {target}, got {column.dtype} with values "
            "that would change; cast the column, or give it a name of its own"
        )
    return cast


def _common(given: Any, target: Any) -> Any:
    """What of a given type must come back from the target unchanged; None when nothing of the sort could."""
    import polars as pl

    if isinstance(given, pl.Struct) and isinstance(target, pl.Struct):
        kinds = {field.name: field.dtype for field in given.fields}
        fields = {field.name: _common(kinds[field.name], field.dtype) for field in target.fields}
        return None if None in fields.values() else pl.Struct(fields)
    if isinstance(given, pl.List | pl.Array) and isinstance(target, pl.List):
        inner = _common(given.inner, target.inner)
        return None if inner is None else pl.List(inner)
    if isinstance(given, pl.Datetime) and isinstance(target, pl.Datetime):
        return target if (given.time_zone is None) == (target.time_zone is None) else None
    return given if _compatible(given, target) else None


def _through(column: "pl.Series", given: Any, target: Any) -> "pl.Series":
    import polars as pl

    return pl.select(_cast_to(pl.lit(column), given, target).alias(column.name)).to_series()


def _cast_to(values: "pl.Expr", given: Any, target: Any) -> "pl.Expr":
    """A cast that finds the fields of a struct by name, where that of Polars goes by position."""
    import polars as pl

    if isinstance(given, pl.Struct) and isinstance(target, pl.Struct):
        kinds = {field.name: field.dtype for field in given.fields}
        fields = [
            _cast_to(values.struct.field(field.name), kinds[field.name], field.dtype).alias(field.name)
            for field in target.fields
        ]
        return pl.when(values.is_not_null()).then(pl.struct(fields))
    if isinstance(given, pl.Array):
        return _cast_to(values.arr.to_list(), pl.List(given.inner), target)
    if isinstance(given, pl.List) and isinstance(target, pl.List):
        return values.list.eval(_cast_to(pl.element(), given.inner, target.inner))
    return values.cast(target, strict=True)


def _compatible(given: Any, target: Any) -> bool:
    """Text and numbers never stand in for each other, though each could be spelt as the other."""
    import polars as pl

    if given == pl.Null:
        return True
    if given.is_nested() or target.is_nested():
        return False
    text = (pl.String, pl.Categorical, pl.Enum)
    if given in text or target in text:
        return given in text and target in text
    return bool(given.is_temporal() == target.is_temporal() and (given == pl.Boolean) == (target == pl.Boolean))


def _no_twins(name: str, columns: list[str]) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        other = seen.setdefault(column.lower(), column)
        if other != column:
            raise DataError(
                f"Table '{name}' cannot keep both '{other}' and '{column}': names that differ only in case are one "
                "column to Delta; rename one"
            )
