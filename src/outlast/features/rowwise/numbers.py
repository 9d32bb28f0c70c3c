"""Arithmetic with Polars's bits: whole numbers wrap around, floats divide as a long column does."""

import math
import operator
from collections.abc import Callable
from typing import Any

import polars as pl

from outlast.features.rowwise.operations import Operation, Table, alike, bounds, constant, refuse
from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Unsure

_Of1 = Callable[[Any], Any]
_Of2 = Callable[[Any, Any], Any]
_PLAIN: dict[str, _Of2] = {"Plus": operator.add, "Minus": operator.sub, "Multiply": operator.mul}
_TEXTS = {"Plus": "{0} + {1}", "Minus": "{0} - {1}", "Multiply": "{0} * {1}"}
_FUSED: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "fma": (lambda a, b, c: a * b + c, "{0} * {1} + {2}"),
    "fms": (lambda a, b, c: a * b - c, "{0} * {1} - {2}"),
    "fsm": (lambda a, b, c: a - b * c, "{0} - {1} * {2}"),
}


def divided(a: float, b: float) -> float:
    """A quotient of floats, where Python refuses to divide by zero too."""
    if b:
        return a / b
    return math.nan if not a or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def floored(a: float) -> float:
    """The greatest whole float that is not above; -0.0 and what is not finite stay."""
    return math.copysign(math.floor(a), a) if a - a == 0 else a


def quotient(node: Node) -> _Of2:
    """Polars divides a column by a constant by multiplying with the constant's reciprocal."""
    if not node.inputs[1].is_literal:
        return divided
    reciprocal = divided(1.0, float(constant(node, 1)))
    return lambda a, _: a * reciprocal


def wrapping(function: _Of2, dtype: pl.DataType) -> _Of2:
    """A function of whole numbers whose results start again at the other end of the type."""
    low, high = bounds(dtype)
    span = high - low + 1

    def wrapped(a: int, b: int) -> int:
        value: int = function(a, b)
        return value if low <= value <= high else (value - low) % span + low

    return wrapped


def same_number(node: Node) -> pl.DataType:
    """The type of inputs and result alike, which is a whole number or Float64."""
    dtype = alike(node)
    if dtype != node.dtype or not (whole(dtype) or dtype == pl.Float64):
        raise refuse(node)
    return dtype


def whole(dtype: pl.DataType) -> bool:
    """Whether a type is of whole numbers of at most 64 bits."""
    return dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)


def _arithmetic(node: Node) -> Operation:
    if node.kind == "Plus" and alike(node) == node.dtype == pl.String:
        return Operation(operator.add)
    dtype = same_number(node)
    function = _PLAIN[node.kind]
    if dtype == pl.Float64:
        without = _without_zero(node)
        return Operation(without) if without else Operation(function, text=_TEXTS[node.kind])
    return Operation(wrapping(function, dtype))


def _without_zero(node: Node) -> _Of2 | None:
    """A sum or difference with a constant zero, which Polars leaves out: the sign of another zero stays as it is."""
    left, right = (one.is_literal and one.value == 0 for one in node.inputs)
    if node.kind == "Multiply" or not (left or right):
        return None
    if right:
        return lambda a, b: a
    return (lambda a, b: b) if node.kind == "Plus" else (lambda a, b: -b)


def _fused(node: Node) -> Operation:
    """A product and a sum, which Polars takes together where it can, each rounded by itself all the same."""
    dtype, (function, text) = same_number(node), _FUSED[node.details[0]]
    if any(one.is_literal and one.value == 0 for one in node.inputs):
        raise refuse(node)  # see _without_zero
    if dtype == pl.Float64:
        return Operation(function, text=text)
    low, high = bounds(dtype)
    return Operation(lambda a, b, c: (function(a, b, c) - low) % (high - low + 1) + low)


def _true_divide(node: Node) -> Operation:
    dtype = alike(node)
    if node.dtype != pl.Float64 or not (whole(dtype) or dtype == pl.Float64):
        raise refuse(node)
    divide = quotient(node)
    return Operation(divide if dtype == pl.Float64 else lambda a, b: divide(float(a), float(b)))


def _floor_divide(node: Node) -> Operation:
    dtype, divide = same_number(node), quotient(node) if node.dtype == pl.Float64 else divided
    if dtype == pl.Float64:
        return Operation(lambda a, b: floored(divide(a, b)))
    wrapped = wrapping(operator.floordiv, dtype)
    return Operation(lambda a, b: wrapped(a, b) if b else None)


def _modulus(node: Node) -> Operation:
    dtype, divide = same_number(node), quotient(node) if node.dtype == pl.Float64 else divided
    if dtype == pl.Float64:
        return Operation(lambda a, b: a - b * floored(divide(a, b)))
    return Operation(lambda a, b: a % b if b else None)


def _negate(node: Node) -> Operation:
    dtype = same_number(node)
    if dtype == pl.Float64:
        return Operation(operator.neg)
    low, _ = bounds(dtype)
    if low == 0:
        raise refuse(node)
    return Operation(lambda a: a if a == low else -a)


def _abs(node: Node) -> Operation:
    dtype = same_number(node)
    least = None if dtype == pl.Float64 else bounds(dtype)[0]
    return Operation(lambda a: a if a == least else abs(a))


def _sign(node: Node) -> Operation:
    if same_number(node) == pl.Float64:
        return Operation(lambda a: math.copysign(1.0, a) if a and a == a else a)
    return Operation(lambda a: (a > 0) - (a < 0))


def _to_whole(function: _Of1) -> Callable[[Node], Operation]:
    def make(node: Node) -> Operation:
        return Operation(function if same_number(node) == pl.Float64 else lambda a: a)

    return make


def _round(node: Node) -> Operation:
    decimals, mode = node.details
    if same_number(node) != pl.Float64:
        return Operation(lambda a: a)
    if mode != "half_to_even" or not 0 <= decimals <= 9:
        raise refuse(node)
    times = 10.0**decimals

    def rounded(a: float) -> float:
        raised = a * times
        return math.copysign(round(raised), raised) / times if raised - raised == 0 else a

    return Operation(rounded)


def _clip(node: Node) -> Operation:
    has_low, has_high = node.details
    dtype, kind = node.dtype, float if node.dtype == pl.Float64 else int
    numbers = all(one.dtype == dtype or one.dtype.is_integer() for one in node.inputs)
    if node.inputs[0].dtype != dtype or not numbers or not (whole(dtype) or dtype == pl.Float64):
        raise refuse(node)
    ends = [kind(constant(node, place)) for place in range(1, len(node.inputs))]
    least, most = ends[0] if has_low else None, ends[-1] if has_high else None
    if any(end != end for end in ends) or (least is not None and most is not None and least > most):
        raise refuse(node)

    def clipped(a: Any) -> Any:
        if least is not None and a < least:
            return least
        return most if most is not None and a > most else a

    low, high = (None if end is None else repr(end) for end in (least, most))
    above = "{0}" if high is None else f"{high} if {{0}} > {high} else {{0}}"
    text = above if low is None else f"{low} if {{0}} < {low} else {above}"
    return Operation(clipped, of_first=True, text=text if _is_written(least) and _is_written(most) else None)


def _is_written(end: float | None) -> bool:
    """Whether Python reads a number back from how it writes it, which it does of all but the infinite ones."""
    return end is None or math.isfinite(end)


def _extreme(node: Node) -> Operation:
    """The least or greatest of what is known; NaN only where there is nothing else."""
    dtype, pick = same_number(node), min if node.kind == "min_horizontal" else max

    def function(*values: Any) -> Any:
        known = [one for one in values if one is not None]
        numbers = [one for one in known if one == one]
        found = pick(numbers) if numbers else known[0] if known else None
        if found == 0 and dtype == pl.Float64:
            raise Unsure("which of 0.0 and -0.0 is taken")
        return found

    return Operation(function, sees_nulls=True)


def _sum(node: Node) -> Operation:
    dtype = same_number(node)
    if node.details != (True,) or (dtype == pl.Float64 and len(node.inputs) != 2):
        raise refuse(node)  # which of three floats are added first is up to Polars
    if dtype == pl.Float64 and any(one.is_literal for one in node.inputs):
        raise refuse(node)
    if dtype == pl.Float64:
        return Operation(lambda a, b: (0.0 if a is None else a) + (0.0 if b is None else b), sees_nulls=True)
    wrapped = wrapping(operator.add, dtype)
    return Operation(lambda *values: wrapped(sum(one for one in values if one is not None), 0), sees_nulls=True)


OPERATIONS: Table = {
    **dict.fromkeys(_PLAIN, _arithmetic),
    "fused": _fused,
    "TrueDivide": _true_divide,
    "FloorDivide": _floor_divide,
    "Modulus": _modulus,
    "negate": _negate,
    "abs": _abs,
    "sign": _sign,
    "floor": _to_whole(floored),
    "ceil": _to_whole(lambda a: math.copysign(math.ceil(a), a) if a - a == 0 else a),
    "round": _round,
    "clip": _clip,
    **dict.fromkeys(("min_horizontal", "max_horizontal"), _extreme),
    "sum_horizontal": _sum,
}
