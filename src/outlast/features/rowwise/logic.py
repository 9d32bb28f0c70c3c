"""Comparisons, truth values with nulls, choices: Polars's rules for nulls and for what is not a number."""

from collections.abc import Callable
from typing import Any

import polars as pl

from outlast.features.rowwise.operations import Operation, Table, alike, bounds, constant, refuse
from outlast.features.rowwise.plan import Node

_Test = Callable[[Any, Any], bool]
_PLAIN: dict[str, _Test] = {
    "Eq": lambda a, b: a == b, "NotEq": lambda a, b: a != b, "Lt": lambda a, b: a < b,
    "LtEq": lambda a, b: a <= b, "Gt": lambda a, b: a > b, "GtEq": lambda a, b: a >= b,
}  # fmt: skip
_TEXTS = {
    "Eq": "{0} == {1}",
    "NotEq": "{0} != {1}",
    "Lt": "{0} < {1}",
    "LtEq": "{0} <= {1}",
    "Gt": "{0} > {1}",
    "GtEq": "{0} >= {1}",
}
_TEXTS_OF_FLOATS = {
    "Eq": "{0} == {1} or ({0} != {0} and {1} != {1})",
    "NotEq": "{0} != {1} and ({0} == {0} or {1} == {1})",
    "Lt": "{0} < {1} or ({1} != {1} and {0} == {0})",
    "LtEq": "{0} <= {1} or {1} != {1}",
    "Gt": "{0} > {1} or ({0} != {0} and {1} == {1})",
    "GtEq": "{0} >= {1} or {0} != {0}",
}
_FLOATS: dict[str, _Test] = {  # NaN equals NaN and is greater than every number; a != a is true of NaN alone
    "Eq": lambda a, b: a == b or (a != a and b != b),
    "NotEq": lambda a, b: a != b and (a == a or b == b),
    "Lt": lambda a, b: a < b or (b != b and a == a),
    "LtEq": lambda a, b: a <= b or b != b,
    "Gt": lambda a, b: a > b or (a != a and b == b),
    "GtEq": lambda a, b: a >= b or a != a,
}
_SAME = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Duration, pl.Time)
_ENDS = {"both": ("GtEq", "LtEq"), "left": ("GtEq", "Lt"), "right": ("Gt", "LtEq"), "none": ("Gt", "Lt")}


def test_of(kind: str, dtype: pl.DataType, node: Node) -> _Test:
    """How two values of a type compare."""
    if dtype == pl.Float64:
        return _FLOATS[kind]
    if dtype.is_integer() or isinstance(dtype, _SAME):
        return _PLAIN[kind]
    raise refuse(node)


def both(a: bool | None, b: bool | None) -> bool | None:
    """Whether both are true, where null may be either."""
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def either(a: bool | None, b: bool | None) -> bool | None:
    """Whether one is true, where null may be either."""
    if a or b:
        return True
    return None if a is None or b is None else False


def _compare(node: Node) -> Operation:
    dtype = alike(node)
    texts = _TEXTS_OF_FLOATS if dtype == pl.Float64 else _TEXTS
    return Operation(test_of(node.kind, dtype, node), text=texts[node.kind])


def _equal_with_nulls(node: Node) -> Operation:
    equal, wanted = test_of("Eq", alike(node), node), node.kind == "EqValidity"

    def function(a: Any, b: Any) -> bool:
        same = a is b if a is None or b is None else equal(a, b)
        return same is wanted

    return Operation(function, sees_nulls=True)


def _and(node: Node) -> Operation:
    if alike(node) == pl.Boolean:
        return Operation(both, sees_nulls=True)
    return _bits(node, lambda a, b: a & b)


def _or(node: Node) -> Operation:
    if alike(node) == pl.Boolean:
        return Operation(either, sees_nulls=True)
    return _bits(node, lambda a, b: a | b)


def _xor(node: Node) -> Operation:
    if alike(node) == pl.Boolean:
        return Operation(lambda a, b: a is not b)
    return _bits(node, lambda a, b: a ^ b)


def _bits(node: Node, function: Callable[[int, int], int]) -> Operation:
    if not alike(node).is_integer() or node.dtype != node.inputs[0].dtype:
        raise refuse(node)
    return Operation(function)


def _not(node: Node) -> Operation:
    if node.dtype == pl.Boolean:
        return Operation(lambda a: not a, text="not {0}")
    if not node.dtype.is_integer():
        raise refuse(node)
    low, high = bounds(node.dtype)
    return Operation((lambda a: high - a) if low == 0 else (lambda a: ~a))


def _about_numbers(node: Node) -> Operation:
    dtype = alike(node)
    if dtype.is_integer():
        answer = node.kind in ("IsNotNan", "IsFinite")
        return Operation(lambda a: answer)
    if dtype != pl.Float64:
        raise refuse(node)
    tests: dict[str, Callable[[float], bool]] = {
        "IsNan": lambda a: a != a,
        "IsNotNan": lambda a: a == a,
        "IsFinite": lambda a: a - a == 0,
        "IsInfinite": lambda a: a == a and a - a != 0,
    }
    return Operation(tests[node.kind])


def _is_in(node: Node) -> Operation:
    inner, members = node.inputs[0].dtype, constant(node, 1)
    if node.inputs[1].dtype != pl.List(inner) or None in members or node.details != (False,):
        raise refuse(node)
    if inner == pl.Float64:
        known, nan = frozenset(one for one in members if one == one), any(one != one for one in members)
        return Operation(lambda a: a in known if a == a else nan, of_first=True)
    if inner.is_integer() or inner in (pl.String, pl.Boolean):
        return Operation(frozenset(members).__contains__, of_first=True)
    raise refuse(node)


def _is_between(node: Node) -> Operation:
    dtype, (closed,) = alike(node), node.details
    low, high = (test_of(kind, dtype, node) for kind in _ENDS[closed])

    def function(a: Any, least: Any, most: Any) -> bool | None:
        if a is None:
            return None
        return both(None if least is None else low(a, least), None if most is None else high(a, most))

    return Operation(function, sees_nulls=True)


def _when(node: Node) -> Operation:
    if any(one.dtype != node.dtype for one in node.inputs[1:]) or node.inputs[0].dtype != pl.Boolean:
        raise refuse(node)
    text = "{1} if {0} else {2}"
    return Operation(lambda told, then, otherwise: then if told else otherwise, sees_nulls=True, text=text)


def _first_known(node: Node) -> Operation:
    if alike(node) != node.dtype:
        raise refuse(node)
    if len(node.inputs) == 2:
        text = "{1} if {0} is None else {0}"
        return Operation(lambda a, b: b if a is None else a, sees_nulls=True, text=text)
    return Operation(lambda *values: next((one for one in values if one is not None), None), sees_nulls=True)


def _replace(node: Node) -> Operation:
    """A value by another, from a list of each; in the strict form with a default for what is not listed."""
    dtype = node.inputs[0].dtype
    if not (dtype.is_integer() or dtype == pl.String) or not (_is_simple(node.dtype) or node.dtype == pl.Float64):
        raise refuse(node)
    old, new = _listed(node, 1, dtype), _listed(node, 2, node.dtype)
    if None in old or len(old) != len(new):
        raise refuse(node)
    table = dict(zip(old, new, strict=True))
    if node.kind == "replace" and len(node.inputs) == 3 and node.dtype == dtype:
        return Operation(lambda a: table.get(a, a), of_first=True)
    if node.kind == "replace" or len(node.inputs) != 4 or not node.inputs[3].is_literal:
        raise refuse(node)  # without a default, what is not listed is an error
    default = _in_type(node.inputs[3].value, node.inputs[3].dtype, node)
    return Operation(lambda a: table.get(a, default), sees_nulls=True, of_first=True)


def _is_simple(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype in (pl.String, pl.Boolean)


def _listed(node: Node, place: int, dtype: pl.DataType) -> list[Any]:
    """A list among the inputs, its values in the type that they are compared in, or become."""
    listed = node.inputs[place].dtype
    inner = listed.inner if isinstance(listed, pl.List) else dtype
    wanted = Node(node.kind, dtype, node.inputs)
    return [_in_type(one, inner, wanted) for one in constant(node, place)]


def _in_type(value: Any, dtype: Any, node: Node) -> Any:
    """A constant in the type of the result, to which Polars casts it."""
    if value is None or dtype == node.dtype:
        return value
    if dtype.is_integer() and node.dtype == pl.Float64:
        return float(value)
    if dtype.is_integer() and node.dtype.is_integer():
        low, high = bounds(node.dtype)
        if low <= value <= high:
            return value
    raise refuse(node)


OPERATIONS: Table = {
    **dict.fromkeys(_PLAIN, _compare),
    **dict.fromkeys(("EqValidity", "NotEqValidity"), _equal_with_nulls),
    **dict.fromkeys(("And", "LogicalAnd"), _and),
    **dict.fromkeys(("Or", "LogicalOr"), _or),
    "Xor": _xor,
    "Not": _not,
    "IsNull": lambda node: Operation(lambda a: a is None, sees_nulls=True, text="{0} is None"),
    "IsNotNull": lambda node: Operation(lambda a: a is not None, sees_nulls=True, text="{0} is not None"),
    **dict.fromkeys(("IsNan", "IsNotNan", "IsFinite", "IsInfinite"), _about_numbers),
    "IsIn": _is_in,
    "IsBetween": _is_between,
    "when": _when,
    **dict.fromkeys(("fill_null", "coalesce"), _first_known),
    **dict.fromkeys(("replace", "replace_strict"), _replace),
}
