"""One entity's features for one question, and the facts behind each: which counted, and why the others did not."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from outlast.data.sources import reading
from outlast.errors import NotFound, nearest
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.facts import ENTITY, KEY, KNOWN, SEPARATOR, UNTIL, facts_of, measure_names, spelled, superseded
from outlast.journal.sources import Sources
from outlast.project.loader import Project
from outlast.training.dataset import AT, questions, with_features
from outlast.training.dataset import KEY as ASKED
from outlast.types import duration, micros, moment

SHOWN, AFTER = 50, 5
"""Facts that are listed of a lookup: the newest before the moment, and the first from it on; the others are counted."""


@dataclass(frozen=True)
class Behind:
    """A fact of the entity, when it was known, and what became of it: `counts`, or why it does not."""

    key: str
    known: datetime
    values: dict[str, Any]
    state: str


@dataclass(frozen=True)
class Looked:
    """A lookup's columns and the facts behind them, newest first."""

    source: str
    kind: str
    entity: str | None
    features: dict[str, Any]
    facts: list[Behind]
    older: int = 0
    later: int = 0


@dataclass(frozen=True)
class Explained:
    """A question, what it asked, and where every feature came from."""

    model: str
    key: str
    asked_at: datetime
    as_of: datetime
    asks: dict[str, Any]
    lookups: list[Looked]
    functions: dict[str, Any] = field(default_factory=dict)


def explain(project: Project, key: str, as_of: datetime | None = None) -> Explained:
    """The features of the question with this key (parts of a key joined by commas), as known at a moment.

    Without a moment, at that of the question. Facts that came later are listed as too late.
    """
    sources = Sources(project)
    asked = _question(project, sources, key)
    at = asked[AT][0] if as_of is None else micros(as_of)
    row = with_features(project, sources, asked.with_columns(pl.lit(at, pl.Int64).alias(AT))).row(0, named=True)
    lookups = [
        _looked(compile_lookup(lookup, sources.types(lookup.source)), sources, asked, (at, row))
        for lookup in project.model.lookups
    ]
    told = {*project.model.asks.names, *(name for lookup in project.model.lookups for name in lookup.names)}
    asks = {name: row[name] for name in project.model.asks.names}
    functions = {name: value for name, value in row.items() if name not in told and not name.startswith("__")}
    return Explained(project.model.name, key, moment(asked[AT][0]), moment(at), asks, lookups, functions)


def _question(project: Project, sources: Sources, key: str) -> pl.DataFrame:
    """The newest row of the questions with a key."""
    asked = questions(project, sources)
    found = asked.filter(pl.col(ASKED) == key.replace(",", SEPARATOR)) if "," in key else asked.head(0)
    found = asked.filter(pl.col(ASKED) == key) if found.is_empty() else found
    if found.is_empty():
        close = nearest(key, asked[ASKED].tail(2000).to_list()) if asked.height else "there are none yet"
        hint = close if close.startswith("did") else f"the last is {asked[ASKED][-1]}" if asked.height else close
        raise NotFound(
            f"No question of '{project.model.question.name}' has the key {key} "
            f"({', '.join(project.model.question.keys)}): {hint}"
        )
    return found.tail(1)


def _looked(compiled: CompiledLookup, sources: Sources, asked: pl.DataFrame, now: tuple[int, dict[str, Any]]) -> Looked:
    at, row = now
    lookup = compiled.lookup
    entity = asked.select(spelled(lookup.entity, types=compiled.fact_types))[0, 0]
    features = {name: row[name] for name in lookup.names}
    behind = facts_behind(compiled, _facts(compiled, sources, entity), at)
    shown = None if entity is None else entity.replace(SEPARATOR, ", ")
    late = sum(fact.state == "too late" for fact in behind)
    later, older = max(0, late - AFTER), max(0, len(behind) - late - SHOWN)
    return Looked(
        lookup.source.name, lookup.kind, shown, features, behind[later : len(behind) - older], older=older, later=later
    )


def facts_behind(compiled: CompiledLookup, facts: pl.DataFrame, at: int) -> list[Behind]:
    """What became of an entity's facts, given newest first, at a moment."""
    states = _states(compiled, facts, at)
    return [_behind(compiled, *fact) for fact in zip(facts.iter_rows(named=True), states, strict=True)]


def _facts(compiled: CompiledLookup, sources: Sources, entity: str | None) -> pl.DataFrame:
    """The versions of facts that named the entity, newest first, each with what replaced it, wherever that went."""
    source = compiled.lookup.source
    frame = sources.frame(source) if entity is not None else sources.frame(source).head(0)
    keys = spelled(source.keys, nulls=True).alias(KEY)
    with reading(source):
        named = frame.filter(spelled(compiled.lookup.fact_entity).eq_missing(entity)).select(keys).unique().collect()
        theirs = frame.filter(spelled(source.keys, nulls=True).is_in(named[KEY].implode()))
        facts = superseded(facts_of(compiled, theirs))
    return facts.filter(pl.col(ENTITY).eq_missing(entity)).sort(KNOWN, KEY, descending=True)


def _behind(compiled: CompiledLookup, fact: dict[str, Any], state: str) -> Behind:
    values: dict[str, Any] = {}
    for index, (name, expr) in enumerate(zip(measure_names(compiled), compiled.measures, strict=True)):
        value, logical = fact[name], compiled.logical[index]
        if index == compiled.event:
            values.setdefault(str(compiled.lookup.source.event), moment(value))
        elif expr.meta.root_names():  # a count of facts reads nothing of them
            values[_name(expr)] = (
                pl.Series([value], dtype=pl.Int64).cast(logical).item() if logical.is_temporal() else value
            )
    return Behind(fact[KEY].replace(SEPARATOR, ", "), moment(fact[KNOWN]), values, state)


def _states(compiled: CompiledLookup, facts: pl.DataFrame, at: int) -> list[str]:
    """What became of each fact, given the newest first: `counts`, or why it does not."""
    happened = facts[KNOWN if compiled.event is None else measure_names(compiled)[compiled.event]].to_list()
    known = facts[KNOWN].to_list()
    states = [_dropped(*moments, at) for moments in zip(known, facts[UNTIL].to_list(), happened, strict=True)]
    standing = [place for place, state in enumerate(states) if state is None]
    standing.sort(key=lambda place: happened[place], reverse=True)  # what happened at once stays in its order
    before = 0
    for place in standing:
        age = timedelta(microseconds=at - min(known[place], happened[place]))
        young = compiled.reach is None or age <= compiled.reach
        states[place] = _standing(compiled, age, before + 1) if young else "too old"
        before += compiled.lookup.max_age is None or age <= duration(compiled.lookup.max_age)
    return [str(state) for state in states]


def _dropped(known: int, until: int | None, happened: int, at: int) -> str | None:
    """Why a fact counts nowhere, however old facts may be."""
    if known >= at:
        return "too late"
    if until is not None and until < at:
        return f"replaced or withdrawn at {moment(until):%Y-%m-%d %H:%M:%S}"
    return "has not happened yet" if happened >= at else None


def _standing(compiled: CompiledLookup, age: timedelta, place: int) -> str:
    """Where a fact counts that is so old, and in that place among the newest that stand."""
    lookup = compiled.lookup
    if lookup.kind == "latest":
        return "counts" if place == 1 else "older than the newest"
    inside = [
        span
        for span, output in zip(lookup.spans, compiled.outputs, strict=False)
        if (output.width is None or age <= output.width) and (output.rows is None or place <= output.rows)
    ]
    if not inside:
        return f"older than the newest {max(lookup.lasts)}" if place > max(lookup.lasts) else "too old"
    return "counts" if len(inside) == len(lookup.spans) else f"counts in {', '.join(inside)}"


def _name(expr: pl.Expr) -> str:
    return expr.meta.output_name() if expr.meta.is_column() else str(expr)
