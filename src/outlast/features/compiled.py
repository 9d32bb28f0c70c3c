"""A lookup made ready to compute: what is kept of each fact, and how each output follows from it.

A *measure* is what an output needs of one fact, computed row by row when the fact arrives. An *output* is one column of
the lookup: an operation over the measures of the facts in one width.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from outlast.errors import FeatureError, nearest
from outlast.project.declare import Lookup, Source, spelling
from outlast.types import duration

Schema = Mapping[str, pl.DataType]
_Planned = tuple[str, str, int, pl.Expr | None, "How"]

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
_BETWEEN = {"Nearest", "Linear", "Lower", "Higher", "Midpoint", "Equiprobable"}


@dataclass(frozen=True)
class How:
    """What an operation needs to know: what a variance takes off its count, which quantile, and what lies between."""

    ddof: int = 1
    share: float = 0.5
    between: str = "linear"


@dataclass(frozen=True, eq=False)
class Output:
    """One column of a lookup: of facts up to a `width` old, and with `rows` of so many of the newest at most."""

    name: str
    operation: str
    measure: int
    width: timedelta | None
    dtype: pl.DataType
    how: How = How()
    general: pl.Expr | None = None
    rows: int | None = None


@dataclass(frozen=True, eq=False)
class CompiledLookup:
    """A lookup with the types of its facts known."""

    lookup: Lookup
    measures: tuple[pl.Expr, ...]
    physical: tuple[pl.DataType, ...]
    logical: tuple[pl.DataType, ...]
    outputs: tuple[Output, ...]
    fact_types: tuple[pl.DataType, ...]
    """The types of the facts' entity columns, to which the asks' are cast."""
    event: int | None = None
    """The measure that says when a fact happened, in microseconds, where its source does."""

    @property
    def digest(self) -> str:
        return self.lookup.digest

    @property
    def reach(self) -> timedelta | None:
        """How far back a decision can look; None is without end."""
        if self.lookup.max_age is None and (self.lookup.lasts or not self.lookup.widths):
            return None
        return max(self.widest, duration(self.lookup.max_age or "0s"))

    @property
    def widest(self) -> timedelta:
        """The longest time of which every fact may count, however many there are."""
        return max((duration(width) for width in self.lookup.widths), default=timedelta(0))

    @property
    def rows(self) -> int:
        """How many of an entity's newest facts are kept however old they are."""
        return max(self.lookup.lasts, default=1) if self.reach is None else 1

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns it adds and their types."""
        return {output.name: output.dtype for output in self.outputs}


def compile_lookup(lookup: Lookup, schema: Schema) -> CompiledLookup:
    """Bind a lookup to the types of its source's columns."""
    _known(lookup, schema)
    placed: dict[str, tuple[int, pl.Expr]] = {}
    planned: list[_Planned] = []
    for name, expr in lookup.outputs:
        operation, inner, how = ("last", expr, How()) if lookup.kind == "latest" else _recognise(expr, schema)
        if inner is None:
            planned.append((name, "general", -1, expr, how))
            continue
        planned.append((name, operation, _place(placed, inner), None, how))
    roots = _general_roots(planned)
    for root in roots:
        _place(placed, pl.col(root))
    event = None if lookup.source.event is None else _place(placed, _happened(lookup.source))
    measures = [expr for _, expr in placed.values()]
    types = _types(lookup, measures, schema)
    return CompiledLookup(
        lookup=lookup,
        measures=tuple(measures),
        physical=tuple(_physical(t) for t in types),
        logical=tuple(types),
        outputs=tuple(_outputs(lookup, planned, types, schema)),
        fact_types=tuple(schema[name] for name in lookup.fact_entity),
        event=event,
    )


def general_frame(compiled: CompiledLookup, columns: list[pl.Series]) -> pl.DataFrame:
    """The measures of some facts as the frame a general aggregation was written for."""
    named = {}
    for expr, series, logical in zip(compiled.measures, columns, compiled.logical, strict=True):
        if expr.meta.is_column():
            named[expr.meta.output_name()] = series.cast(logical)
    return pl.DataFrame(named)


def _outputs(lookup: Lookup, planned: list[_Planned], types: list[pl.DataType], schema: Schema) -> list[Output]:
    found = []
    for name, operation, measure, general, how in planned:
        dtype = _general_type(lookup, general, schema) if general is not None else _result(operation, types[measure])
        for label, length, rows in _spans(lookup, name):
            found.append(Output(label, operation, measure, length, dtype, how, general, rows))
    return found


def _spans(lookup: Lookup, name: str) -> list[tuple[str, timedelta | None, int | None]]:
    """The columns of one aggregation: their name, how old facts may be, and how many of them it takes."""
    age = None if lookup.max_age is None else duration(lookup.max_age)
    if lookup.kind == "latest":
        return [(name, age, None)]
    lengths = [*((duration(width), None) for width in lookup.widths), *((age, count) for count in lookup.lasts)]
    return [(f"{name}_{span}", length, rows) for span, (length, rows) in zip(lookup.spans, lengths, strict=True)]


def _recognise(expr: pl.Expr, schema: Schema) -> tuple[str, pl.Expr | None, How]:
    """The operation an aggregation is, and the row-wise expression it aggregates; None where it is not a simple one."""
    plain = expr.meta.undo_aliases()
    tree = json.loads(spelling(plain))
    if tree == "Len":
        return "len", pl.lit(True), How()
    operation, how = _operation(tree)
    if operation == "general":
        return "general", None, how
    inner = plain.meta.pop()[-1]
    if not _rowwise(json.loads(spelling(inner))) or not inner.meta.root_names():
        return "general", None, how
    if operation in _NUMERIC and not _number(inner, schema):
        return "general", None, how
    if operation == "quantile" and not _ordered(inner, schema):
        return "general", None, how
    return operation, inner, how


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
    dtype = pl.DataFrame(schema={name: schema[name] for name in expr.meta.root_names()}).select(m=expr).schema["m"]
    return dtype == pl.Float64 or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128))


def _number(expr: pl.Expr, schema: Schema) -> bool:
    empty = pl.DataFrame(schema={name: schema[name] for name in expr.meta.root_names()})
    try:
        dtype = empty.select(expr.alias("m")).schema["m"]
    except pl.exceptions.PolarsError:
        return False  # the general path says what is wrong with it, in the user's terms
    return dtype.is_numeric() or dtype == pl.Boolean


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


def _place(measures: dict[str, tuple[int, pl.Expr]], expr: pl.Expr) -> int:
    """The number of a measure, those spelt alike being one."""
    return measures.setdefault(spelling(expr), (len(measures), expr))[0]


def _happened(source: Source) -> pl.Expr:
    """When each fact happened, in microseconds; when it became known, where it does not say."""
    said, told = (pl.col(name or "").cast(pl.Datetime("us")).to_physical() for name in (source.event, source.time))
    return pl.coalesce(said, told + source.delay // timedelta(microseconds=1))


def _general_roots(planned: list[_Planned]) -> list[str]:
    return sorted({root for *_, general, _ in planned if general is not None for root in general.meta.root_names()})


def _types(lookup: Lookup, measures: list[pl.Expr], schema: Schema) -> list[pl.DataType]:
    empty = pl.DataFrame(schema=dict(schema))
    try:
        return [empty.select(expr.alias("m")).schema["m"] for expr in measures]
    except pl.exceptions.PolarsError as error:
        raise FeatureError(f"{lookup.kind}({lookup.source.name}) cannot be computed: {error}") from None


def _general_type(lookup: Lookup, expr: pl.Expr, schema: Schema) -> pl.DataType:
    empty = pl.DataFrame(schema={name: schema[name] for name in expr.meta.root_names()})
    try:
        result = empty.select(expr.alias("value"))
    except pl.exceptions.PolarsError as error:
        raise FeatureError(f"window({lookup.source.name}) cannot be computed: {error}") from None
    if result.height != 1:
        raise FeatureError(
            f"window({lookup.source.name}) has an expression that does not give one value for a window: "
            f"end {expr} with an aggregation such as .mean()"
        )
    return result.schema["value"]


def _result(operation: str, measure: pl.DataType) -> pl.DataType:
    if operation in ("count", "len", "n_unique"):
        return pl.Int64()
    if operation in ("mean", "std", "var", "quantile"):
        return pl.Float64()
    if operation == "sum":
        return pl.Int64() if measure.is_integer() or measure == pl.Boolean else pl.Float64()
    return pl.Float64() if measure.is_float() or measure.is_decimal() else measure


def _physical(logical: pl.DataType) -> pl.DataType:
    """What a measure is kept as: whole numbers for times, text for categories, 64 bits for numbers."""
    if logical.is_temporal() or logical.is_integer():
        return pl.Int64() if logical != pl.UInt64 else logical
    if logical.is_float() or logical.is_decimal():
        return pl.Float64()
    return pl.String() if logical in (pl.Categorical, pl.Enum) else logical


def _known(lookup: Lookup, schema: Schema) -> None:
    source = lookup.source
    timed = [("time", source.time or "")] + ([("event", source.event)] if source.event is not None else [])
    needed = [*lookup.fact_entity, *source.keys, *(name for _, name in timed)]
    needed += [root for _, expr in lookup.outputs for root in expr.meta.root_names()]
    for name in needed:
        if name not in schema:
            raise FeatureError(f"Source '{source.name}' has no column '{name}': {nearest(name, schema)}")
    for role, name in timed:
        if not schema[name].is_temporal() or schema[name] == pl.Time:
            raise FeatureError(
                f"Source '{source.name}' has '{name}' as its {role}, a column of type {schema[name]}: "
                "expected moments; convert it with pl.col(…).str.to_datetime() where the source is written"
            )
    if not source.keys:
        raise FeatureError(
            f"Source '{source.name}' is looked up but has no key: "
            f"give Source('{source.name}', …, key='what names one fact'), so that corrections and retries are known"
        )
