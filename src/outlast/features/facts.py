"""Facts in the one form that lookups read, offline and online: entity, key, known, measures."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from outlast.errors import FeatureError
from outlast.features.compiled import CompiledLookup
from outlast.features.steady import steady
from outlast.project.declare import Source

SEPARATOR = "\x1f"
_MICROSECOND = timedelta(microseconds=1)
ENTITY, KEY, KNOWN, UNTIL = "__entity", "__key", "__known", "__until"
RETRACTED = "__retracted"
"""The column, where a source's rows have one, that marks a row as the withdrawal of the fact with its key."""


def measure_names(compiled: CompiledLookup) -> list[str]:
    """The names under which a lookup's measures travel."""
    return [f"m{index}" for index in range(len(compiled.measures))]


def facts_of(compiled: CompiledLookup, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """A source's rows as facts of a lookup: those with a key and a moment.

    A fact repeated with the same key and moment counts once, the last to arrive. A version without an entity stays:
    it takes the versions before it away from whom they named. So does a retraction, whatever it names.
    """
    withdrawn = RETRACTED in frame.collect_schema()
    lookup, names = compiled.lookup, measure_names(compiled)
    measures = [
        stored(expr, logical, physical).alias(name)
        for name, expr, logical, physical in zip(
            names, compiled.measures, compiled.logical, compiled.physical, strict=True
        )
    ]
    columns = [*read_columns(compiled), *([RETRACTED] if withdrawn else [])]
    # picked, not selected: a select of a few rows costs ten times as much
    chosen = frame[columns] if isinstance(frame, pl.DataFrame) else frame.select(columns).collect(engine="streaming")
    raw = steady(chosen)
    entity = spelled(lookup.fact_entity)
    return _once(
        raw.select(
            (pl.when(~pl.col(RETRACTED)).then(entity) if withdrawn else entity).alias(ENTITY),
            spelled(lookup.source.keys, nulls=True).alias(KEY),
            known_at(lookup.source).alias(KNOWN),
            *measures,
        )
    )


def _once(facts: pl.DataFrame) -> pl.DataFrame:
    """Those with a moment, each once; a few that are so already, as nearly all are, cost nothing."""
    if facts[KNOWN].null_count():
        facts = facts.drop_nulls(KNOWN)
    if facts[KEY].n_unique() == facts.height:
        return facts
    return facts.unique([KEY, KNOWN], keep="last", maintain_order=True)


def read_columns(compiled: CompiledLookup) -> list[str]:
    """The columns of a source that a lookup reads."""
    source = compiled.lookup.source
    roots = [root for expr in compiled.measures for root in expr.meta.root_names()]
    timed = [] if source.time is None else [source.time]
    return list(dict.fromkeys([*compiled.lookup.fact_entity, *source.keys, *timed, *roots]))


def stored(expr: pl.Expr, logical: pl.DataType, physical: pl.DataType) -> pl.Expr:
    """A measure in the form it is kept."""
    if logical.is_temporal():
        return expr.to_physical().cast(pl.Int64)
    return expr.cast(physical)


def spelled(columns: Sequence[str], *, nulls: bool = False, types: Sequence[pl.DataType] | None = None) -> pl.Expr:
    """Columns as the one text that names an entity or a fact, whatever their types; null when one of them is.

    With `nulls`, a missing part is a part of its own, so that the text is always there.
    """
    parts = []
    for index, name in enumerate(columns):
        part = pl.col(name) if types is None else pl.col(name).cast(types[index], strict=False)
        part = part.cast(pl.String)
        parts.append(part.fill_null("\x00") if nulls else part)
    return parts[0] if len(parts) == 1 else pl.concat_str(parts, separator=SEPARATOR, ignore_nulls=False)


def known_at(source: Source) -> pl.Expr:
    """When each fact became known, in microseconds since 1970: its time plus the source's lag."""
    if source.time is None:
        raise FeatureError(f"Source '{source.name}' has no time: nothing says when its facts became known")
    return instants(source.time) + source.delay // _MICROSECOND


def instants(column: str) -> pl.Expr:
    """A column of moments as microseconds since 1970; moments without a zone are read as UTC."""
    return pl.col(column).cast(pl.Datetime("us")).to_physical().cast(pl.Int64)


def superseded(facts: pl.DataFrame) -> pl.DataFrame:
    """The facts in order of entity and moment, each with the moment a later version of its key replaced it."""
    if facts[KEY].n_unique() == facts.height:
        marked = facts.with_columns(pl.lit(None, pl.Int64).alias(UNTIL))
    else:
        marked = facts.sort(KEY, KNOWN).with_columns(pl.col(KNOWN).shift(-1).over(KEY).alias(UNTIL))
    return marked.sort(ENTITY, KNOWN, KEY)
