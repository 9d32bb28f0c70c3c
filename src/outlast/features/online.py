"""Lookups for a few questions now, from the store of fresh values, by the same arithmetic as the history's."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import polars as pl

from outlast.errors import FeatureError
from outlast.features.compiled import CompiledLookup, Output, general_frame
from outlast.features.facts import ENTITY, KEY, KNOWN, facts_of, measure_names, spelled
from outlast.features.offline import aggregation, general_value, typed
from outlast.storage.fresh import Fact, FreshValues

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_MICROSECOND = timedelta(microseconds=1)
Reader = Callable[[str | None, int], list[Any]]


def to_store(compiled: CompiledLookup, frame: pl.DataFrame | pl.LazyFrame) -> list[Fact]:
    """A source's rows as the facts that the store of fresh values keeps for a lookup."""
    facts = facts_of(compiled, frame.lazy()).collect()
    columns = [facts[name].to_list() for name in measure_names(compiled)]
    rows = zip(*columns, strict=True) if columns else ([] for _ in range(facts.height))
    return [
        Fact(entity=entity, key=key, known=known, values=_encode(row))
        for entity, key, known, row in zip(
            facts[ENTITY].to_list(), facts[KEY].to_list(), facts[KNOWN].to_list(), rows, strict=True
        )
    ]


def entities_of(compiled: CompiledLookup, asks: pl.DataFrame) -> list[str | None]:
    """The text that names each question's entity, None where it names none."""
    return asks.select(spelled(compiled.lookup.entity, types=compiled.fact_types).alias(ENTITY))[ENTITY].to_list()


def reader(compiled: CompiledLookup, store: FreshValues) -> Reader:
    """A function from (entity, moment) to the lookup's values in their stored form, made once per version."""
    if compiled.lookup.kind == "latest":
        return _latest_reader(compiled, store)
    return _window_reader(compiled, store)


def columns_of(compiled: CompiledLookup, rows: Sequence[Sequence[Any]]) -> list[pl.Series]:
    """Values read row by row, as the lookup's columns."""
    return [typed(output, [row[index] for row in rows]) for index, output in enumerate(compiled.outputs)]


def _latest_reader(compiled: CompiledLookup, store: FreshValues) -> Reader:
    nothing = [None] * len(compiled.outputs)
    order = [output.measure for output in compiled.outputs]
    age = None if compiled.reach is None else compiled.reach // _MICROSECOND
    digest = compiled.digest

    def read(entity: str | None, at: int) -> list[Any]:
        if entity is None:
            return nothing
        found = store.latest(digest, entity, at, None if age is None else at - age)
        if found is None:
            return nothing
        values = _decode(found[2])
        return [values[index] for index in order]

    return read


def _window_reader(compiled: CompiledLookup, store: FreshValues) -> Reader:
    assert compiled.reach is not None
    reach, digest = compiled.reach // _MICROSECOND, compiled.digest
    plans = [_plan(compiled, output) for output in compiled.outputs]
    nothing = [None] * len(plans)

    def read(entity: str | None, at: int) -> list[Any]:
        if entity is None:
            return nothing
        facts = store.window(digest, entity, at - reach, at)
        known = [fact[0] for fact in facts]
        values = [_decode(fact[2]) for fact in facts]
        return [plan(known, values, at) for plan in plans]

    return read


def _plan(compiled: CompiledLookup, output: Output) -> Callable[[list[int], list[list[Any]], int], Any]:
    assert output.width is not None
    width, measure = output.width // _MICROSECOND, output.measure
    operation = None if output.general is not None else aggregation(output)

    def plan(known: list[int], values: list[list[Any]], at: int) -> Any:
        since = at - width
        inside = [row for moment, row in zip(known, values, strict=True) if moment >= since]
        if operation is not None:
            return operation([row[measure] for row in inside])
        return _general(compiled, output, inside)

    return plan


def _general(compiled: CompiledLookup, output: Output, rows: list[list[Any]]) -> Any:
    columns = [
        pl.Series([row[index] for row in rows], dtype=physical) for index, physical in enumerate(compiled.physical)
    ]
    value = general_value(output, general_frame(compiled, columns))
    return (value.to_physical() if output.dtype.is_temporal() else value).item()


def check_stored(compiled: CompiledLookup, store: FreshValues) -> None:
    """Refuse to serve a windowed lookup from a store that never saw its digest."""
    if store.count(compiled.digest) == 0:
        raise FeatureError(
            f"The store of fresh values holds no facts for {compiled.lookup.kind}({compiled.lookup.source.name}): "
            f"fill it with `outlast push {compiled.lookup.source.name} FILE`"
        )
