"""Lengths of time, and what is added to moments, as the whole numbers that Polars keeps them as."""

import operator
from collections.abc import Callable
from typing import Any

import polars as pl

from outlast.features.rowwise.numbers import divided, quotient, whole
from outlast.features.rowwise.operations import Maker, Operation, Table, alike, refuse
from outlast.features.rowwise.plan import Node, literal
from outlast.features.rowwise.refusal import Unsure

_LIMIT = 2**63
_TOTALS = {"TotalDays": 86400, "TotalHours": 3600, "TotalMinutes": 60, "TotalSeconds": 1}
_Number = Callable[[int], int]


def per_second(dtype: pl.DataType) -> int:
    """How many of its units a second has: of a moment or a length in milli- or microseconds, no other."""
    unit = getattr(dtype, "time_unit", None)
    if unit not in ("ms", "us"):
        raise refuse(Node("unit", dtype))
    return 1000 if unit == "ms" else 1_000_000


def in_one_unit(node: Node) -> Node:
    """With a constant length of time in the unit of what it is added to, where that is exact."""
    units = [one.dtype.time_unit if isinstance(one.dtype, pl.Datetime | pl.Duration) else None for one in node.inputs]
    place = 0 if node.inputs[0].is_literal else 1
    given = node.inputs[place]
    exact = units[place] == "us" and units[1 - place] == "ms" and type(given.value) is int and given.value % 1000 == 0
    if not (exact and isinstance(given.dtype, pl.Duration)):
        return node
    inputs = list(node.inputs)
    inputs[place] = literal(given.value // 1000, pl.Duration("ms"))
    return Node(node.kind, node.dtype, tuple(inputs), node.details)


def in_range(function: Callable[..., int]) -> Callable[..., int]:
    def checked(*values: int) -> int:
        found = function(*values)
        if -_LIMIT < found < _LIMIT:
            return found
        raise Unsure("what a length of time becomes that is too long")

    return checked


def _plus_minus(node: Node) -> Operation:
    function = operator.add if node.kind == "Plus" else operator.sub
    left, right = (one.dtype for one in node.inputs)
    kinds = tuple(dtype.base_type() for dtype in (left, right))
    if kinds == (pl.Date, pl.Date) and node.kind == "Minus" and node.dtype == pl.Duration("us"):
        return Operation(lambda a, b: (a - b) * 86_400_000_000)
    if kinds == (pl.Date, pl.Duration) and node.dtype == pl.Date:
        day = 86400 * per_second(right)
        return Operation(lambda a, b: a + (b if node.kind == "Plus" else -b) // day)
    allowed: list[Any] = [(pl.Duration, pl.Duration), (pl.Datetime, pl.Duration)]
    allowed += [(pl.Datetime, pl.Datetime)] if node.kind == "Minus" else [(pl.Duration, pl.Datetime)]
    units = {per_second(dtype) for dtype in (left, right, node.dtype)}
    zones = {dtype.time_zone for dtype in (left, right, node.dtype) if isinstance(dtype, pl.Datetime)}
    if kinds not in allowed or len(units) != 1 or len(zones) > 1:
        raise refuse(node)
    return Operation(in_range(function))


def _multiply(node: Node) -> Operation:
    length, times = node.inputs
    if not isinstance(length.dtype, pl.Duration) or not whole(times.dtype) or node.dtype != length.dtype:
        raise refuse(node)
    per_second(length.dtype)
    return Operation(in_range(operator.mul))


def _divide(node: Node) -> Operation:
    if not isinstance(alike(node), pl.Duration) or node.dtype != pl.Float64:
        raise refuse(node)
    per_second(node.inputs[0].dtype)
    divide = quotient(node) if node.inputs[1].is_literal else divided
    return Operation(lambda a, b: divide(float(a), float(b)))


def _signed(function: _Number) -> Maker:
    def make(node: Node) -> Operation:
        if not isinstance(node.dtype, pl.Duration) or alike(node) != node.dtype:
            raise refuse(node)
        return Operation(in_range(function))

    return make


def _total(node: Node) -> Operation:
    """Whole hours and the like, towards zero; with their fraction, by a constant's reciprocal as any division."""
    (fractional,) = node.details
    if not isinstance(node.inputs[0].dtype, pl.Duration):
        raise refuse(node)
    width = _TOTALS[node.kind] * per_second(node.inputs[0].dtype)
    if fractional:
        reciprocal = 1.0 / float(width)
        return Operation(lambda length: float(length) * reciprocal)
    return Operation(lambda length: length // width if length >= 0 else -(-length // width))


def _total_small(parts: int) -> Maker:
    def make(node: Node) -> Operation:
        second = per_second(node.inputs[0].dtype)
        if node.details != (False,) or not isinstance(node.inputs[0].dtype, pl.Duration):
            raise refuse(node)
        if second <= parts:
            return Operation(in_range(lambda length: length * (parts // second)))
        width = second // parts
        return Operation(lambda length: length // width if length >= 0 else -(-length // width))

    return make


def _timestamp(node: Node) -> Operation:
    (unit,), source = node.details, node.inputs[0].dtype
    if unit not in ("ms", "us") or node.dtype != pl.Int64:
        raise refuse(node)
    wanted = 1000 if unit == "ms" else 1_000_000
    if source == pl.Date:
        return Operation(lambda day: day * 86400 * wanted)
    return Operation(in_range(_rescaled(per_second(source), wanted)))


def cast_unit(node: Node) -> Operation:
    source, target = node.inputs[0].dtype, node.dtype
    if source.base_type() != target.base_type():
        raise refuse(node)
    if isinstance(source, pl.Duration) and per_second(source) > per_second(target):
        raise refuse(node)
    return Operation(in_range(_rescaled(per_second(source), per_second(target))))


def _rescaled(here: int, there: int) -> _Number:
    if there >= here:
        times = there // here
        return lambda value: value * times
    width = here // there
    return lambda value: value // width


OPERATIONS: Table = {
    **dict.fromkeys(("Plus", "Minus"), _plus_minus),
    "Multiply": _multiply,
    "TrueDivide": _divide,
    "negate": _signed(operator.neg),
    "abs": _signed(abs),
    **dict.fromkeys(_TOTALS, _total),
    "TotalMilliseconds": _total_small(1000),
    "TotalMicroseconds": _total_small(1_000_000),
    "TimeStamp": _timestamp,
    "CastTimeUnit": cast_unit,
}
