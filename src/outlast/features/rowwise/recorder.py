"""What stands for the rows while a function is traced."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

_PLAIN = (bool, int, float, str, datetime, date, time, timedelta, type(None))


@dataclass(frozen=True)
class Stage:
    """One call of a function on its rows: what it computes, and of which columns."""

    exprs: tuple[pl.Expr, ...]
    keeps: bool
    """Whether the columns that were there stay, as with_columns has it."""
    before: pl.Schema
    after: pl.Schema


class Recorder:
    """Stands for the rows while a function is traced. Whatever else is asked of it is no attribute, and an error."""

    def __init__(self, schema: pl.Schema, stages: tuple[Stage, ...] = ()) -> None:
        self.schema = schema
        self.stages = stages

    @property
    def columns(self) -> list[str]:
        return self.schema.names()

    @property
    def dtypes(self) -> list[pl.DataType]:
        return self.schema.dtypes()

    @property
    def width(self) -> int:
        return len(self.schema)

    def select(self, *exprs: Any, **named: Any) -> "Recorder":
        return self._after(_expressions(exprs, named), keeps=False)

    def with_columns(self, *exprs: Any, **named: Any) -> "Recorder":
        return self._after(_expressions(exprs, named), keeps=True)

    def _after(self, exprs: tuple[pl.Expr, ...], *, keeps: bool) -> "Recorder":
        rows = pl.DataFrame(schema=self.schema).lazy()
        after = (rows.with_columns(exprs) if keeps else rows.select(exprs)).collect_schema()
        return Recorder(after, (*self.stages, Stage(exprs, keeps, self.schema, after)))


def _expressions(exprs: tuple[Any, ...], named: dict[str, Any]) -> tuple[pl.Expr, ...]:
    found = [_expression(one) for one in _flat(exprs)]
    return (*found, *(_expression(value).alias(name) for name, value in named.items()))


def _flat(exprs: Any) -> Iterator[Any]:
    for one in exprs:
        if isinstance(one, list | tuple):
            yield from _flat(one)
        else:
            yield one


def _expression(value: Any) -> pl.Expr:
    if isinstance(value, pl.Expr):
        return value
    if isinstance(value, str):
        return pl.col(value)
    if isinstance(value, _PLAIN):
        return pl.lit(value)
    raise TypeError(f"a {type(value).__name__} is no expression that can be traced")
