"""What an operation is to a row: a function of plain values, and whether nulls go past it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Refused


@dataclass(frozen=True)
class Operation:
    """A function of the inputs' values; where nulls go past it, one null among them is the result."""

    function: Callable[..., Any]
    sees_nulls: bool = False
    of_first: bool = False
    """Whether the function takes the first input alone: the others are constants that it knows already."""
    text: str | None = None
    """The same function as an expression of Python, where `{0}` and `{1}` are its inputs: a call costs more than it."""


def unchanged(value: Any) -> Any:
    """The function of an operation that another type's name is all it gives: no step is made of it."""
    return value


Maker = Callable[[Node], Operation]
Table = Mapping[str, Maker]


def refuse(node: Node) -> Refused:
    """That a node is not promised, to be raised."""
    return Refused(f"{node.kind} of {[str(one.dtype) for one in node.inputs]} is not promised")


def alike(node: Node) -> pl.DataType:
    """The one type that all inputs have."""
    first = node.inputs[0].dtype
    if any(one.dtype != first for one in node.inputs):
        raise refuse(node)
    return first


def constant(node: Node, place: int) -> Any:
    """The value of an input that must be a literal, and not null."""
    if place >= len(node.inputs) or not node.inputs[place].is_literal or node.inputs[place].value is None:
        raise refuse(node)
    return node.inputs[place].value


def bounds(dtype: pl.DataType) -> tuple[int, int]:
    """The least and the greatest whole number of a type.

    >>> bounds(pl.Int8()), bounds(pl.UInt8())
    ((-128, 127), (0, 255))
    """
    name = str(dtype)
    bits = int(name.lstrip("UInt"))
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
