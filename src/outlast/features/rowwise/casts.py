"""Casts among truth values, numbers, text and moments, strict or not, where Polars's result is known exactly."""

import re
from collections.abc import Callable
from typing import Any

import polars as pl

from outlast.features.rowwise.numbers import whole
from outlast.features.rowwise.operations import Operation, bounds, refuse, unchanged
from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Unsure

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_Convert = Callable[[Any], Any]


def cast(node: Node) -> Operation:
    """A value in another type; a strict cast that fails is left to the frame, which says so as Polars does."""
    source, target, (how,) = node.inputs[0].dtype, node.dtype, node.details
    if source == target:
        return Operation(unchanged)
    if whole(target) or target == pl.Int128:
        return _to_whole(node, source, target, how)
    if target == pl.Float64 and (whole(source) or source in (pl.Boolean, pl.Float32)):
        return Operation(float)
    if target == pl.Float64 and source == pl.String:
        return Operation(_parsed(_DECIMAL, float))
    if target == pl.Boolean and (whole(source) or source == pl.Float64):
        return Operation(lambda a: a != 0)
    if target == pl.String and whole(source):
        return Operation(str)
    if target == pl.String and source == pl.Boolean:
        return Operation(lambda a: "true" if a else "false")
    raise refuse(node)


def _to_whole(node: Node, source: pl.DataType, target: pl.DataType, how: str) -> Operation:
    if source == pl.Boolean:
        return Operation(int)
    if target == pl.Int128:
        if whole(source):
            return Operation(unchanged)
        raise refuse(node)
    if whole(source):
        return _resized(source, target, how)
    if source == pl.Float64 and how != "wrapping":
        return Operation(_fitting(_truncated, target, how))
    if source == pl.String and how != "wrapping":
        return Operation(_parsed(_WHOLE, _fitting(int, target, how)))
    raise refuse(node)


def _resized(source: pl.DataType, target: pl.DataType, how: str) -> Operation:
    (least, most), (low, high) = bounds(source), bounds(target)
    if low <= least and most <= high:
        return Operation(unchanged)
    if how == "wrapping":
        return Operation(lambda a: a if low <= a <= high else (a - low) % (high - low + 1) + low)
    return Operation(_fitting(unchanged, target, how))


def _truncated(a: float) -> int | None:
    return int(a) if a - a == 0 else None


def _fitting(convert: _Convert, target: pl.DataType, how: str) -> _Convert:
    low, high = bounds(target)

    def function(a: Any) -> Any:
        value = convert(a)
        if value is not None and low <= value <= high:
            return value
        if how == "lenient":
            return None
        raise Unsure("how a value that does not fit is told of")

    return function


def _parsed(pattern: re.Pattern[str], convert: _Convert) -> _Convert:
    """Text in the plain spelling that every reader of numbers understands alike."""
    whole_text = pattern.fullmatch

    def function(a: str) -> Any:
        if whole_text(a) is None:
            raise Unsure("whether this is a number")
        return convert(a)

    return function
