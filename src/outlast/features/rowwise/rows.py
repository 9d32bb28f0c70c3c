"""A function made ready for single rows, after it has shown on samples that it gives what a frame gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from outlast.features.functions import apply
from outlast.features.online import frame_of
from outlast.features.rowwise.plan import Node, resolved
from outlast.features.rowwise.recorder import Stage
from outlast.features.rowwise.refusal import Refused, Unsure
from outlast.features.rowwise.samples import proven
from outlast.features.rowwise.steps import Constant, RowOf, Steps
from outlast.features.rowwise.tracing import stages_of


@dataclass(frozen=True, eq=False)
class RowFunction:
    """A function's new columns for one row: called with plain values in the order of `given`, gives those of `schema`.

    Where a value comes along for which equal bits are not promised, the row is computed by a frame.
    """

    function: Callable[..., Any]
    given: pl.Schema
    schema: pl.Schema
    values: RowOf

    @property
    def names(self) -> list[str]:
        """The new columns, in order."""
        return self.schema.names()

    def __call__(self, row: Sequence[Any]) -> list[Any]:
        try:
            return self.values(row)
        except Unsure:
            return self.by_frame(row)

    def by_frame(self, row: Sequence[Any]) -> list[Any]:
        """The same, computed by a frame of this row."""
        return list(apply(self.function, frame_of(self.given, [row])).row(0))


def row_function(function: Callable[..., Any], schema: pl.Schema) -> RowFunction | None:
    """A function's new columns for one row of plain values in the schema's order.

    None where it cannot be promised to be equal, bit by bit, to what the function gives for that row among others.
    """
    schema = pl.Schema(schema)
    try:
        found = compiled(function, schema, stages_of(function, schema))
    except Refused:
        return None
    return found if proven(function, schema, found) else None


def compiled(function: Callable[..., Any], schema: pl.Schema, stages: tuple[Stage, ...]) -> RowFunction:
    """The steps of a function's stages, not yet tried on samples; Refused where one cannot be promised."""
    steps = Steps(schema)
    for stage in stages[:-1]:
        named = resolved(stage.exprs, stage.before)
        placed = {name: _cell(steps, node) for name, node in named}
        steps.rename(placed, keeps=stage.keeps)
    last = stages[-1]
    named = resolved(last.exprs, last.before)
    if last.keeps or any(name in schema for name, _ in named):
        raise Refused("it returns columns that are there already, which the frame will say")
    found = [(steps.place(node), node.dtype) for _, node in named]
    if all(isinstance(cell, Constant) for cell, _ in found):
        raise Refused("it gives one row, however many there are")
    cells = [steps.plain(cell, dtype) for cell, dtype in found]
    after = pl.Schema([(name, node.dtype) for name, node in named])
    return RowFunction(function, schema, after, steps.function(cells))


def _cell(steps: Steps, node: Node) -> int:
    cell = steps.place(node)
    if isinstance(cell, Constant):
        raise Refused("Polars computes a column that is one value for all rows by other rules than a column")
    return cell
