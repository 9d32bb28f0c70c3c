"""A lookup made ready to compute: what is kept of each fact, and how each output follows from it.

A *measure* is what an output needs of one fact, computed row by row when the fact arrives. What an aggregation takes of
the facts that a filter keeps is *derived* from the measures when they are read. An *output* is one column of the
lookup: an operation over the measures of the facts in one width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from outlast.errors import FeatureError, nearest
from outlast.features.recognised import How, Schema, recognised
from outlast.features.steady import steady
from outlast.project.declare import Lookup, Source, spelling
from outlast.types import duration

SPARE = 3
"""Facts kept of an entity beyond those that count, since the newest may be withdrawn when the others are forgotten."""
_Places = dict[str, tuple[int, pl.Expr]]


@dataclass(frozen=True, eq=False)
class Derived:
    """A measure that is not kept, and follows from those that are."""

    expr: pl.Expr
    logical: pl.DataType
    physical: pl.DataType


@dataclass(frozen=True, eq=False)
class _Planned:
    """An aggregation as it will be computed; without `inner`, by Polars."""

    name: str
    expr: pl.Expr
    operation: str
    inner: pl.Expr | None
    how: How
    filtered: bool = False


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
    derived: tuple[Derived, ...] = ()
    """Numbered after the measures."""

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
        """How many of an entity's newest facts are kept however old they are: where those count, some to spare."""
        return max(self.lookup.lasts, default=1) + SPARE if self.reach is None else 1

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns it adds and their types."""
        return {output.name: output.dtype for output in self.outputs}


def compile_lookup(lookup: Lookup, schema: Schema) -> CompiledLookup:
    """Bind a lookup to the types of its source's columns."""
    _known(lookup, schema)
    planned = [_planned(lookup, name, expr, schema) for name, expr in lookup.outputs]
    placed, derived, event = _placed(lookup, planned)
    measures = [expr for _, expr in placed.values()]
    types = _types(lookup, measures, schema)
    further = [expr for _, expr in derived.values()]
    further_types = _types(lookup, further, schema)
    numbers = {spelled: number for spelled, (number, _) in placed.items()}
    numbers |= {f"derived {spelled}": len(placed) + number for spelled, (number, _) in derived.items()}
    return CompiledLookup(
        lookup=lookup,
        measures=tuple(measures),
        physical=tuple(_physical(t) for t in types),
        logical=tuple(types),
        outputs=tuple(_outputs(lookup, planned, numbers, (types + further_types, schema))),
        fact_types=tuple(schema[name] for name in lookup.fact_entity),
        event=event,
        derived=tuple(Derived(expr, t, _physical(t)) for expr, t in zip(further, further_types, strict=True)),
    )


def _planned(lookup: Lookup, name: str, expr: pl.Expr, schema: Schema) -> _Planned:
    if lookup.kind == "latest":
        return _Planned(name, expr, "last", expr, How())
    return _Planned(name, expr, *recognised(expr, schema))


def _placed(lookup: Lookup, planned: list[_Planned]) -> tuple[_Places, _Places, int | None]:
    """The measures that are kept, those derived from them, and which of the former is the event's time.

    The store keeps measures by their place: what is kept of a lookup, and in which order, has to stay as it is.
    """
    placed: _Places = {}
    derived: _Places = {}
    for one in planned:
        if one.inner is not None:
            _place(derived if one.filtered else placed, one.inner)
    by_polars = [one for one in planned if one.inner is None or one.filtered]
    for root in sorted({root for one in by_polars for root in one.expr.meta.root_names()}):
        _place(placed, pl.col(root))
    event = None if lookup.source.event is None else _place(placed, _happened(lookup.source))
    return placed, derived, event


def general_frame(compiled: CompiledLookup, columns: list[pl.Series]) -> pl.DataFrame:
    """The measures of some facts as the frame a general aggregation was written for."""
    named = {}
    for expr, series, logical in zip(compiled.measures, columns, compiled.logical, strict=True):
        if expr.meta.is_column():
            named[expr.meta.output_name()] = series.cast(logical)
    return pl.DataFrame(named)


def derived_columns(compiled: CompiledLookup, columns: list[pl.Series]) -> list[pl.Series]:
    """What follows from the measures of some facts, fact by fact, in the form that measures are kept."""
    frame = general_frame(compiled, columns)
    found = steady(frame).select(
        (one.expr.to_physical() if one.logical.is_temporal() else one.expr).cast(one.physical).alias(f"d{number}")
        for number, one in enumerate(compiled.derived)
    )
    return found.head(frame.height).get_columns()


def _outputs(
    lookup: Lookup, planned: list[_Planned], numbers: Mapping[str, int], types: tuple[list[pl.DataType], Schema]
) -> list[Output]:
    found = []
    measured, schema = types
    for one in planned:
        if one.inner is None:
            measure, general, dtype = -1, one.expr, _general_type(lookup, one.expr, schema)
        else:
            measure = numbers[("derived " if one.filtered else "") + spelling(one.inner)]
            general, dtype = None, _result(one.operation, measured[measure])
        for label, length, rows in _spans(lookup, one.name):
            found.append(Output(label, one.operation, measure, length, dtype, one.how, general, rows))
    return found


def _spans(lookup: Lookup, name: str) -> list[tuple[str, timedelta | None, int | None]]:
    """The columns of one aggregation: their name, how old facts may be, and how many of them it takes."""
    age = None if lookup.max_age is None else duration(lookup.max_age)
    if lookup.kind == "latest":
        return [(name, age, None)]
    lengths = [*((duration(width), None) for width in lookup.widths), *((age, count) for count in lookup.lasts)]
    return [(f"{name}_{span}", length, rows) for span, (length, rows) in zip(lookup.spans, lengths, strict=True)]


def _place(measures: _Places, expr: pl.Expr) -> int:
    """The number of a measure, those spelt alike being one."""
    return measures.setdefault(spelling(expr), (len(measures), expr))[0]


def _happened(source: Source) -> pl.Expr:
    """When each fact happened, in microseconds; when it became known, where it does not say."""
    said, told = (pl.col(name or "").cast(pl.Datetime("us")).to_physical() for name in (source.event, source.time))
    return pl.coalesce(said, told + source.delay // timedelta(microseconds=1))


def _types(lookup: Lookup, measures: list[pl.Expr], schema: Schema) -> list[pl.DataType]:
    empty = pl.DataFrame(schema=dict(schema))
    try:
        return list(empty.select(expr.alias(str(place)) for place, expr in enumerate(measures)).schema.values())
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
    if result.schema["value"].is_nested():
        raise FeatureError(
            f"window({lookup.source.name}) has an expression that gives a {result.schema['value']}: a feature is one "
            f"value, so end {expr} with an aggregation such as .mean()"
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
