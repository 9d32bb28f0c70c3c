"""One row made complete without a frame: what was asked and looked up, and what functions add to it."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from outlast.features.rowwise import RowFunction, row_function, row_values

Row = list[Any]


class Alone:
    """The way of a row from raw values, as decoded and as read, to all its columns in order."""

    def __init__(self, plain: Callable[[Row], Row], functions: list[RowFunction], schema: pl.Schema) -> None:
        self._plain, self._functions = plain, functions
        self.schema = schema

    def __call__(self, row: Row) -> Row:
        known = self._plain(row)
        whole = known
        for function in self._functions:
            whole = whole + function(known)
        return whole


def way_alone(schema: pl.Schema, functions: Sequence[Callable[..., Any]], order: Sequence[str]) -> Alone | None:
    """That way, for rows of a schema and functions over them; None where some of it needs a frame."""
    plain, found = row_values(schema), []
    for function in functions:
        compiled = row_function(function, schema)
        if compiled is None:
            return None
        found.append(compiled)
    whole = {**schema, **{name: dtype for one in found for name, dtype in one.schema.items()}}
    if plain is None or list(whole) != list(order):
        return None
    return Alone(plain, found, pl.Schema(whole))
