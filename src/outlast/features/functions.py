"""Functions: the asks and lookups of some rows in, new columns out; Polars or pandas by annotation."""

import inspect
import typing
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from outlast.data.frames import from_pandas
from outlast.errors import FeatureError
from outlast.features.steady import FEW, FewRows, steady

Function = Callable[..., Any]

_PANDAS: WeakKeyDictionary[Function, bool] = WeakKeyDictionary()
"""Weak, since a function holds on to all of its module: that goes when its version does."""


def apply(function: Function, rows: pl.DataFrame) -> pl.DataFrame:
    """The columns a function adds to rows, checked: one value per row, names not yet taken."""
    given = steady(rows)
    given = FewRows(given) if given.height <= FEW else given
    result = as_polars(function(given.to_pandas() if wants_pandas(function) else given), name_of(function))
    if result.height == given.height:
        result = result.head(rows.height)
    if result.height != rows.height:
        raise FeatureError(
            f"Function '{name_of(function)}' returned {result.height} rows for {rows.height}: "
            "a function gives exactly one row for each row it gets"
        )
    nested = next((name for name, dtype in result.schema.items() if dtype.is_nested()), None)
    if nested is not None:
        raise FeatureError(
            f"Function '{name_of(function)}' returns '{nested}' of type {result.schema[nested]}: "
            "a feature is one value, so return a column for each of its parts"
        )
    there = set(rows.columns)
    taken = [name for name in result.columns if name in there]
    if taken:
        raise FeatureError(
            f"Function '{name_of(function)}' returns '{taken[0]}', which is there already: "
            "return only new columns, for example with rows.select(new=…)"
        )
    return result


def as_polars(result: Any, name: str) -> pl.DataFrame:
    """A frame or column of either library as a Polars frame."""
    if isinstance(result, pl.DataFrame):
        return result
    if isinstance(result, pl.LazyFrame):
        return result.collect()
    if isinstance(result, pl.Series):
        return result.to_frame()
    module = type(result).__module__.partition(".")[0]
    if module == "pandas":
        frame = result.to_frame() if type(result).__name__ == "Series" else result
        return from_pandas(frame.reset_index(drop=True), f"Function '{name}'")
    raise FeatureError(
        f"Function '{name}' returned a {type(result).__name__}: expected a frame of new columns, "
        "such as rows.select(hour=pl.col('at').dt.hour())"
    )


def wants_pandas(function: Function) -> bool:
    """Whether a function's first argument is annotated with pandas types."""
    known = _PANDAS.get(function)
    if known is None:
        known = _PANDAS[function] = _annotated_with_pandas(function)
    return known


def _annotated_with_pandas(function: Function) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    if not parameters:
        return False
    annotation = parameters[0].annotation
    if isinstance(annotation, str):
        try:
            annotation = typing.get_type_hints(function).get(parameters[0].name, annotation)
        except NameError:
            return str(annotation).startswith(("pd.", "pandas."))
    return str(getattr(annotation, "__module__", "")).startswith("pandas")


def name_of(function: Function) -> str:
    """What a function is called in a sentence."""
    return getattr(function, "__name__", type(function).__name__)
