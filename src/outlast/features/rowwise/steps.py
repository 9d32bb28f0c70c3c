"""From trees of nodes to a list of steps over one row: each result is computed once, and nothing is left out.

A row lies in a list of cells. Every step reads some and appends one. Steps that a choice does not need are done all the
same: Polars does them too, and may raise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from outlast.features.rowwise import casts, curves, logic, moments, numbers, text
from outlast.features.rowwise.operations import Maker, Operation, refuse, unchanged
from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Refused
from outlast.features.rowwise.values import to_physical, to_plain

Step = Callable[[list[Any]], Any]
_OPERATIONS: dict[str, Maker] = {
    **logic.OPERATIONS,
    **text.OPERATIONS,
    **numbers.OPERATIONS,
    **curves.OPERATIONS,
    "cast": casts.cast,
}


@dataclass(frozen=True)
class Constant:
    """A value that is the same in every row."""

    value: Any


class Steps:
    """The steps found so far, and in which cell each column and each node lies."""

    def __init__(self, schema: pl.Schema) -> None:
        self.done: list[Step] = []
        self._width = len(schema)
        self._columns: dict[str, int] = {name: index for index, name in enumerate(schema)}
        self._given = set(schema)
        self._cells: dict[Node, int | Constant] = {}

    def place(self, node: Node) -> int | Constant:
        """Where the value of a node lies."""
        node = moments.lowered(node)
        if node not in self._cells:
            self._cells[node] = self._placed(node)
        return self._cells[node]

    def rename(self, columns: dict[str, int], *, keeps: bool) -> None:
        """What the names mean from here on."""
        if not keeps:
            self._columns, self._given = {}, set()
        self._columns.update(columns)
        self._given -= set(columns)
        self._cells = {}

    def plain(self, cell: int | Constant, dtype: pl.DataType) -> int:
        """The cell of what is in a cell, as a frame gives it."""
        convert = to_plain(dtype)
        if isinstance(cell, Constant):
            given = cell.value
            value = given if convert is None or given is None else convert(given)
            return self._append(lambda cells: value)
        return cell if convert is None else self._append(_one(convert, cell))

    def _placed(self, node: Node) -> int | Constant:
        if node.is_literal:
            return _constant(node)
        if node.kind == "column":
            return self._column(node)
        inputs = [self.place(one) for one in node.inputs]
        if all(isinstance(one, Constant) for one in inputs):
            raise refuse(node)  # Polars computes a constant by other rules than a column
        operation = _operation(node)
        if operation.function is unchanged and isinstance(inputs[0], int):
            return inputs[0]
        return self._append(_wired(operation, inputs))

    def _column(self, node: Node) -> int:
        (name,) = node.details
        cell = self._columns[name]
        convert = to_physical(node.dtype) if name in self._given else None
        return cell if convert is None else self._append(_one(convert, cell))

    def _append(self, step: Step) -> int:
        self.done.append(step)
        return self._width + len(self.done) - 1


def _operation(node: Node) -> Operation:
    temporal = any(one.dtype.is_temporal() for one in node.inputs)
    maker = moments.OPERATIONS.get(node.kind) if temporal else None
    maker = maker or _OPERATIONS.get(node.kind)
    if maker is None or node.dtype == pl.Float32:
        raise refuse(node)
    try:
        return maker(node)
    except (ValueError, IndexError, KeyError, TypeError):  # options in another form than known
        raise refuse(node) from None


def _constant(node: Node) -> Constant:
    if node.value is None:
        return Constant(None)
    if node.dtype == pl.Float64:
        return Constant(float(node.value))
    if isinstance(node.dtype, pl.Duration) and type(node.value) is int:
        return Constant(node.value)
    if isinstance(node.dtype, pl.List):
        return Constant(node.value)
    if node.dtype == pl.Float32:
        raise Refused("Float32 is rounded at each step")
    convert = to_physical(node.dtype)
    return Constant(node.value if convert is None else convert(node.value))


def _wired(operation: Operation, inputs: list[int | Constant]) -> Step:
    function = operation.function
    inputs = inputs[:1] if operation.of_first else inputs
    if len(inputs) == 1 and isinstance(inputs[0], int) and not operation.sees_nulls:
        return _one(function, inputs[0])
    if len(inputs) == 2 and not operation.sees_nulls:
        return _two(function, inputs[0], inputs[1])
    return _many(operation, inputs)


def _one(function: Callable[[Any], Any], cell: int) -> Step:
    def step(cells: list[Any]) -> Any:
        value = cells[cell]
        return None if value is None else function(value)

    return step


def _two(function: Callable[[Any, Any], Any], left: int | Constant, right: int | Constant) -> Step:
    if isinstance(right, Constant):
        return _with_right(function, left, right.value)
    if isinstance(left, Constant):
        return _with_left(function, left.value, right)

    def step(cells: list[Any]) -> Any:
        a, b = cells[left], cells[right]
        return None if a is None or b is None else function(a, b)

    return step


def _with_right(function: Callable[[Any, Any], Any], cell: int | Constant, constant: Any) -> Step:
    assert isinstance(cell, int)

    def step(cells: list[Any]) -> Any:
        value = cells[cell]
        return None if value is None else function(value, constant)

    return step if constant is not None else lambda cells: None


def _with_left(function: Callable[[Any, Any], Any], constant: Any, cell: int) -> Step:
    def step(cells: list[Any]) -> Any:
        value = cells[cell]
        return None if value is None else function(constant, value)

    return step if constant is not None else lambda cells: None


def _many(operation: Operation, inputs: list[int | Constant]) -> Step:
    """Constants are laid out once, and the cells' values put between them."""
    function, sees_nulls = operation.function, operation.sees_nulls
    start = [one.value if isinstance(one, Constant) else None for one in inputs]
    filled = [(place, one) for place, one in enumerate(inputs) if isinstance(one, int)]

    def step(cells: list[Any]) -> Any:
        values = start.copy()
        for place, cell in filled:
            values[place] = cells[cell]
        if not sees_nulls and None in values:
            return None
        return function(*values)

    return step
