"""An expression as Polars itself resolves it: every cast it inserts, every type, every literal's value.

The way goes through the view that Polars gives other engines of its plans, so that no rule of coercion is repeated
here. Should another release of Polars close it, expressions are refused and functions stay with frames.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from outlast.features.rowwise.refusal import Refused

_MOST = 1000
_CASTS = {0: "strict", 1: "lenient", 2: "wrapping"}


@dataclass(frozen=True)
class Node:
    """One operation, the type of its result, what it works on, and its options."""

    kind: str
    dtype: pl.DataType
    inputs: tuple["Node", ...] = ()
    details: tuple[Any, ...] = ()
    value: Any = field(default=None, compare=False)
    """What a literal is; its spelling is among the details, because 0.0 == -0.0 and 1 == True."""

    @property
    def is_literal(self) -> bool:
        return self.kind == "literal"


def literal(value: Any, dtype: pl.DataType) -> Node:
    """A constant."""
    return Node("literal", dtype, (), (repr(value),), value)


def resolved(exprs: Iterable[pl.Expr], schema: pl.Schema) -> list[tuple[str, Node]]:
    """Each column that the expressions give, by name, as a tree of nodes."""
    rows: Any = pl.DataFrame(schema=schema).lazy().select(list(exprs))
    try:
        plan = rows._ldf.with_optimizations(pl.QueryOptFlags._eager()._pyoptflags).visit()
        found = [(one.output_name, one.node) for one in plan.view_current_node().expr]
        plan.set_node(plan.get_inputs()[0])
        return [(name, _Reader(plan).node(place)) for name, place in found]
    except (pl.exceptions.PolarsError, NotImplementedError, AttributeError, TypeError, IndexError) as error:
        raise Refused(f"Polars does not show how it computes it: {error}") from None


class _Reader:
    def __init__(self, plan: Any) -> None:
        self._plan = plan
        self._read = 0

    def node(self, place: int) -> Node:
        self._read += 1
        if self._read > _MOST:
            raise Refused("it is too long")
        seen, dtype = self._plan.view_expression(place), self._plan.get_dtype(place)
        kind = type(seen).__name__
        if kind == "Column":
            return Node("column", dtype, (), (seen.name,))
        if kind == "Literal":
            return literal(seen.value, dtype)
        if kind == "Cast":
            return _cast(self.node(seen.expr), dtype, _CASTS[seen.options])
        if kind == "BinaryExpr":
            return Node(str(seen.op).partition(".")[2], dtype, self._nodes([seen.left, seen.right]))
        if kind == "Ternary":
            return Node("when", dtype, self._nodes([seen.predicate, seen.truthy, seen.falsy]))
        if kind == "Function":
            name, *details = seen.function_data
            return Node(str(name).rpartition(".")[2], dtype, self._nodes(seen.input), tuple(map(_hashable, details)))
        raise Refused(f"{kind} is not of one row")

    def _nodes(self, places: Sequence[int]) -> tuple[Node, ...]:
        return tuple(self.node(place) for place in places)


def _hashable(detail: Any) -> Any:
    return tuple(map(_hashable, detail)) if isinstance(detail, list) else detail


def _cast(inner: Node, dtype: pl.DataType, how: str) -> Node:
    if not inner.is_literal:
        return Node("cast", dtype, (inner,), (how,))
    if inner.value is None:
        return literal(None, dtype)
    if not (inner.dtype.is_numeric() and dtype.is_numeric()) or how == "wrapping":
        raise Refused(f"a literal of {inner.dtype} is cast to {dtype}")
    value = pl.select(pl.lit(inner.value, dtype=inner.dtype).cast(dtype, strict=how == "strict")).item()
    return literal(value, dtype)
