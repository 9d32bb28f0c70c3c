"""Rows that a user's function returns, as a frame of whichever library."""

from collections.abc import Callable
from typing import Any

import polars as pl

from outlast.errors import DataError, OutlastError, RequestError


def called(source: str, function: str, get: Callable[[], Any]) -> pl.LazyFrame:
    """The rows a function returns; errors name the source and the function."""
    try:
        result = get()
    except OutlastError:
        raise
    except Exception as error:
        raise DataError(
            f"Source '{source}' cannot be read: {function}() raised {type(error).__name__}: {error}"
        ) from error
    return _as_lazy(source, function, result)


def _as_lazy(source: str, function: str, result: Any) -> pl.LazyFrame:
    if isinstance(result, pl.LazyFrame):
        return result
    if isinstance(result, pl.DataFrame):
        return result.lazy()
    module, kind = type(result).__module__.partition(".")[0], type(result).__name__
    if module == "pandas" and kind == "DataFrame":
        return from_pandas(result, f"Source '{source}'").lazy()
    if module == "pyarrow" and kind in ("Table", "RecordBatch", "RecordBatchReader"):
        return pl.DataFrame(result).lazy()
    raise DataError(
        f"Source '{source}' got a {kind} from {function}(): return a Polars, pandas or PyArrow frame of its rows"
    )


def as_polars(rows: Any, whose: str) -> pl.DataFrame:
    """Rows that a caller has in a Polars or pandas frame, or in anything that Polars makes one of."""
    if isinstance(rows, pl.DataFrame):
        return rows
    if type(rows).__module__.partition(".")[0] == "pandas" and type(rows).__name__ == "DataFrame":
        return from_pandas(rows, whose)
    try:
        return pl.DataFrame(rows)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise RequestError(
            f"A {type(rows).__name__} cannot be read as rows for {whose} ({error}): give a pandas or Polars frame"
        ) from None


def from_pandas(frame: Any, whose: str) -> pl.DataFrame:
    """A pandas frame as Polars has it; `whose` it is begins the sentence if that cannot be.

    NaN becomes null, an index with a name becomes a column, and moments with a zone come in UTC.
    """
    import pyarrow as pa

    whole = frame.reset_index(drop=all(name is None for name in frame.index.names))
    zoned = [name for name, dtype in whole.dtypes.items() if getattr(dtype, "tz", None) is not None]
    for name in zoned:
        # Without a zone on the way: what PyArrow and Polars ask of a zoned column is deprecated since pandas 3.1.
        whole[name] = whole[name].dt.tz_convert(None)
    try:
        made = pl.DataFrame(pa.Table.from_pandas(whole, preserve_index=False))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        said = str(error.args[0]).partition("\n")[0]
        raise DataError(
            f"{whose} got a pandas frame whose values cannot be kept: {said}; give each column values of one type"
        ) from error
    return made.with_columns(pl.col(str(name)).dt.replace_time_zone("UTC") for name in zoned)
