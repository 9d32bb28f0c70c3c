"""Powers, roots, logarithms, waves: where Polars and Python ask the same library, which is tried out."""

import math
import operator
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import polars as pl

from outlast.features.rowwise.numbers import whole, wrapping
from outlast.features.rowwise.operations import Operation, Table, constant, refuse
from outlast.features.rowwise.plan import Node

_Of1 = Callable[[Any], Any]


def _power(node: Node) -> Operation:
    base, exponent = node.inputs[0].dtype, constant(node, 1)
    if base == node.dtype and whole(base) and isinstance(exponent, int) and 0 <= exponent <= 16:
        return Operation(wrapping(operator.pow, base))
    if node.dtype != pl.Float64 or not (whole(base) or base == pl.Float64):
        raise refuse(node)
    plain: dict[float, _Of1] = {1: lambda a: a, 2: lambda a: a * a, 3: lambda a: a * a * a, 4: lambda a: a * a * a * a}
    function = _root if exponent == 0.5 else plain.get(exponent)
    if function is None:
        raise refuse(node)  # other powers are computed by one library here and by another there
    return Operation(lambda a: function(float(a)), of_first=True)


def _root(a: float) -> float:
    return math.sqrt(a) if a >= 0 else math.nan


def _log(a: float) -> float:
    return math.log(a) if a > 0 else -math.inf if a == 0 else math.nan


def _log1p(a: float) -> float:
    return math.log1p(a) if a > -1 else -math.inf if a == -1 else math.nan


def _exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def _wave(function: _Of1) -> _Of1:
    return lambda a: function(a) if a - a == 0 else math.nan


_CURVES: dict[str, _Of1] = {
    "sqrt": _root, "exp": _exp, "log1p": _log1p,
    "sin": _wave(math.sin), "cos": _wave(math.cos), "tan": _wave(math.tan),
}  # fmt: skip


@cache
def _agrees(kind: str) -> bool:
    """Whether Polars and Python compute a curve by the same library: another differs in a last bit here and there."""
    chance = random.Random(kind)
    spread = [chance.gauss(0, 1) * 10 ** chance.uniform(-4, 4) for _ in range(4000)]
    column, ours = pl.col("x"), _CURVES.get(kind, _log)
    theirs = pl.DataFrame({"x": spread}).select(getattr(column, kind)())["x"].to_list()
    return all(a == b or (a != a and b != b) for a, b in zip(theirs, map(ours, spread), strict=True))


def _curve(node: Node) -> Operation:
    dtype = node.inputs[0].dtype
    if node.dtype != pl.Float64 or not (whole(dtype) or dtype == pl.Float64) or not _agrees(node.kind):
        raise refuse(node)
    function = _CURVES[node.kind]
    return Operation(function if dtype == pl.Float64 else lambda a: function(float(a)))


def _logarithm(node: Node) -> Operation:
    dtype, base = node.inputs[0].dtype, float(constant(node, 1))
    if node.dtype != pl.Float64 or not (whole(dtype) or dtype == pl.Float64) or not _agrees("log"):
        raise refuse(node)
    if not base > 1:
        raise refuse(node)
    scale = math.log(base)
    return Operation(lambda a: _log(float(a)) / scale, of_first=True)


OPERATIONS: Table = {"pow": _power, **dict.fromkeys(_CURVES, _curve), "log": _logarithm}
