"""From trees of nodes to a Python function of one row: each result is computed once, and nothing is left out.

Every value of a row is a variable, and every step a line that gives one more. Steps that a choice does not need are
done all the same: Polars does them too, and may raise. The lines are compiled once per version, because calling a
function for each of them takes three times as long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from outlast.features.rowwise import casts, curves, logic, moments, numbers, text
from outlast.features.rowwise.operations import Maker, Operation, refuse, unchanged
from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Refused
from outlast.features.rowwise.values import to_physical, to_plain

RowOf = Callable[[Sequence[Any]], list[Any]]
"""From the values of a row, in order, to others."""
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
        self._lines: list[str] = []
        self._names: dict[str, Any] = {}
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
            return self._append(self._word(given if convert is None or given is None else convert(given)))
        return cell if convert is None else self._converted(convert, cell)

    def function(self, cells: Sequence[int]) -> RowOf:
        """The function of a row's values that gives what is in some cells, by all the steps."""
        given = "".join(f"v{place}, " for place in range(self._width))
        takes = f"    ({given}) = row\n" if given else ""
        found = ", ".join(f"v{cell}" for cell in cells)
        names: dict[str, Any] = dict(self._names)
        exec(f"def values(row):\n{takes}{''.join(self._lines)}    return [{found}]\n", names)
        written: RowOf = names["values"]
        return written

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
        return self._append(self._wired(operation, inputs))

    def _column(self, node: Node) -> int:
        (name,) = node.details
        cell = self._columns[name]
        convert = to_physical(node.dtype) if name in self._given else None
        return cell if convert is None else self._converted(convert, cell)

    def _converted(self, convert: Callable[[Any], Any], cell: int) -> int:
        return self._append(self._wired(Operation(convert), [cell]))

    def _append(self, text: str) -> int:
        cell = self._width + len(self._lines)
        self._lines.append(f"    v{cell} = {text}\n")
        return cell

    def _wired(self, operation: Operation, inputs: list[int | Constant]) -> str:
        """An operation on its inputs, past which nulls go where it does not see them."""
        inputs = inputs[:1] if operation.of_first else inputs
        words = [self._word(one.value) if isinstance(one, Constant) else f"v{one}" for one in inputs]
        if operation.text is None:
            done = f"{self._named(operation.function)}({', '.join(words)})"
        else:
            done = operation.text.format(*words)
        if operation.sees_nulls:
            return done
        if "None" in words:
            return "None"
        nulls = [f"{word} is None" for word, one in zip(words, inputs, strict=True) if not isinstance(one, Constant)]
        return f"None if {' or '.join(dict.fromkeys(nulls))} else {done}"

    def _word(self, constant: Any) -> str:
        return "None" if constant is None else self._named(constant)

    def _named(self, value: Any) -> str:
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name


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
