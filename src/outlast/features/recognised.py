"""Which aggregations are one of the written arithmetic's operations, as the spelling of their expressions shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from outlast.project.declare import spelling

Schema = Mapping[str, pl.DataType]
_ROWWISE = {"Column", "Literal", "BinaryExpr", "Cast", "Ternary", "Function", "Alias"}
_ROWWISE_FUNCTIONS = {
    "Abs", "FillNull", "Boolean", "StringExpr", "TemporalExpr", "Negate", "Sign", "Coalesce", "Clip", "Pow",
    "Log", "Log1p", "Exp", "Round", "Floor", "Ceil",
}  # fmt: skip
_ROWWISE_BOOLEANS = {"IsNull", "IsNotNull", "IsNan", "IsNotNan", "IsFinite", "IsInfinite", "Not", "AllHorizontal"}
_AGGREGATES = {
    "Sum": "sum", "Mean": "mean", "Std": "std", "Var": "var", "Min": "min", "Max": "max", "First": "first",
    "Last": "last", "NUnique": "n_unique",
}  # fmt: skip
_NUMERIC = {"sum", "mean", "std", "var"}
_SKIP_NULLS = {"sum", "mean", "std", "var", "min", "max", "count", "quantile"}
"""Operations to which a value that a filter drops is the same as none."""
_BETWEEN = {"Nearest", "Linear", "Lower", "Higher", "Midpoint", "Equiprobable"}


@dataclass(frozen=True)
class How:
    """What an operation needs to know: what a variance takes off its count, which quantile, and what lies between."""

    ddof: int = 1
    share: float = 0.5
    between: str = "linear"


def recognised(expr: pl.Expr, schema: Schema) -> tuple[str, pl.Expr | None, How, bool]:
    """The operation an aggregation is, the row-wise expression it aggregates, and whether a filter is part of that.

    Without an expression it is not a simple one.
    """
    plain = expr.meta.undo_aliases()
    tree = json.loads(spelling(plain))
    if tree == "Len":
        return "len", pl.lit(True), How(), False
    operation, how = _operation(tree)
    if operation == "general":
        return "general", None, how, False
    inner = plain.meta.pop()[-1]
    filtered = operation in _SKIP_NULLS and _is_filter(inner, schema)
    if filtered:
        by, what = inner.meta.pop()
        inner = pl.when(by).then(what)
    if not _rowwise(json.loads(spelling(inner))) or not inner.meta.root_names():
        return "general", None, how, False
    if operation in _NUMERIC and not _number(inner, schema):
        return "general", None, how, False
    if operation == "quantile" and not _ordered(inner, schema):
        return "general", None, how, False
    return operation, inner, how, filtered


def _is_filter(expr: pl.Expr, schema: Schema) -> bool:
    """Whether an expression keeps some values of a column, by a condition on each fact."""
    tree = json.loads(spelling(expr))
    if not isinstance(tree, dict) or "Filter" not in tree:
        return False
    by, what = expr.meta.pop()
    return bool(what.meta.root_names()) and _type(by, schema) == pl.Boolean


def _operation(tree: Any) -> tuple[str, How]:
    """The operation an expression ends with, as its spelling shows."""
    if not isinstance(tree, dict):
        return "general", How()
    if "Function" in tree:
        return _quantile(tree["Function"])
    if "Agg" not in tree:
        return "general", How()
    ((kind, body),) = tree["Agg"].items()
    if kind == "Count":
        return "len" if body["include_nulls"] else "count", How()
    if kind == "Median":
        return "quantile", How()
    if kind in _AGGREGATES and not (isinstance(body, dict) and body.get("propagate_nans")):
        operation = _AGGREGATES[kind]
        return operation, How(ddof=int(body[1])) if operation in ("std", "var") else How()
    return "general", How()


def _quantile(body: Any) -> tuple[str, How]:
    """A quantile whose share is a number, with the way of Polars to choose between two values."""
    kind = body["function"]
    between = kind["Quantile"].get("method") if isinstance(kind, dict) and "Quantile" in kind else None
    share = body["input"][-1]
    while isinstance(share, dict) and len(share) == 1:
        share = next(iter(share.values()))
    if between not in _BETWEEN or isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        return "general", How()
    return "quantile", How(share=float(share), between=between.lower())


def _ordered(expr: pl.Expr, schema: Schema) -> bool:
    """Whether a quantile of an expression is a 64-bit float, which one arithmetic gives."""
    if not _number(expr, schema):
        return False
    dtype = _type(expr, schema)
    return dtype == pl.Float64 or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128))


def _number(expr: pl.Expr, schema: Schema) -> bool:
    dtype = _type(expr, schema)
    return dtype.is_numeric() or dtype == pl.Boolean


def _type(expr: pl.Expr, schema: Schema) -> pl.DataType:
    """The type of an expression's values; that of nothing where it has none."""
    if expr.meta.is_column():
        return schema.get(expr.meta.output_name(), pl.Null())
    empty = pl.DataFrame(schema={name: schema[name] for name in expr.meta.root_names()})
    try:
        return empty.select(expr.alias("m")).schema["m"]
    except pl.exceptions.PolarsError:
        return pl.Null()  # the general path says what is wrong with it, in the user's terms


def _rowwise(tree: Any) -> bool:
    """Whether an expression's value for a row depends on that row alone, as far as its spelling shows."""
    if not isinstance(tree, dict):
        return False
    ((kind, body),) = tree.items()
    if kind in ("Column", "Literal"):
        return True
    if kind == "Function":
        return _rowwise_function(body["function"]) and all(_rowwise(part) for part in body["input"])
    if kind == "BinaryExpr":
        return _rowwise(body["left"]) and _rowwise(body["right"])
    if kind == "Cast":
        return _rowwise(body["expr"])
    if kind == "Ternary":
        return all(_rowwise(body[part]) for part in ("predicate", "truthy", "falsy"))
    return kind == "Alias" and _rowwise(body[0])


def _rowwise_function(function: Any) -> bool:
    if isinstance(function, str):
        return function in _ROWWISE_FUNCTIONS
    ((kind, detail),) = function.items()
    if kind == "Boolean":
        name = detail if isinstance(detail, str) else next(iter(detail))
        return name in _ROWWISE_BOOLEANS
    return kind in _ROWWISE_FUNCTIONS
