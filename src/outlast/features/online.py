"""Lookups for a few questions now, from the store of fresh values, by the same arithmetic as the history's."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import polars as pl

from outlast.features.aggregate import aggregation, general_value
from outlast.features.compiled import CompiledLookup, Output, general_frame
from outlast.features.facts import ENTITY, KEY, KNOWN, facts_of, measure_names, spelled
from outlast.storage.fresh import Fact, FreshStore

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_MICROSECOND = timedelta(microseconds=1)
Reader = Callable[[str | None, int], list[Any]]
_Plan = tuple[int, int | None, Callable[[list[Any]], Any]]
"""A width, which measure of a window's rows an operation wants (None: whole rows), and the operation."""
NOBODY = "\x00"
"""Whose a fact without an entity is in the store: no question asks for it."""


def to_store(compiled: CompiledLookup, frame: pl.DataFrame | pl.LazyFrame) -> list[Fact]:
    """A source's rows as the facts that the store of fresh values keeps for a lookup."""
    return kept(compiled, facts_of(compiled, frame.lazy()))


def kept(compiled: CompiledLookup, facts: pl.DataFrame) -> list[Fact]:
    """Facts in the form that the store keeps; one without an entity is kept for the versions that it replaces."""
    columns = [facts[name].to_list() for name in measure_names(compiled)]
    rows = zip(*columns, strict=True) if columns else ([] for _ in range(facts.height))
    return [
        Fact(entity=entity, key=key, known=known, values=_encode(row))
        for entity, key, known, row in zip(
            facts[ENTITY].fill_null(NOBODY).to_list(), facts[KEY].to_list(), facts[KNOWN].to_list(), rows, strict=True
        )
    ]


def entities_of(compiled: CompiledLookup, asks: pl.DataFrame) -> list[str | None]:
    """The text that names each question's entity, None where it names none."""
    return asks.select(spelled(compiled.lookup.entity, types=compiled.fact_types).alias(ENTITY))[ENTITY].to_list()


def reader(compiled: CompiledLookup, store: FreshStore) -> Reader:
    """A function from (entity, moment) to the lookup's values in their stored form, made once per version."""
    if compiled.lookup.kind == "latest":
        return _latest_reader(compiled, store)
    return _window_reader(compiled, store)


def frame_of(schema: Mapping[str, pl.DataType], rows: Iterable[Iterable[Any]]) -> pl.DataFrame:
    """Rows of plain values, asked or read, as one frame; a whole number in a column of moments is its stored form."""
    return pl.from_dicts([dict(zip(schema, row, strict=True)) for row in rows], schema=schema)


def _latest_reader(compiled: CompiledLookup, store: FreshStore) -> Reader:
    nothing = [None] * len(compiled.outputs)
    order = [output.measure for output in compiled.outputs]
    age = None if compiled.reach is None else compiled.reach // _MICROSECOND
    digest = compiled.digest

    def read(entity: str | None, at: int) -> list[Any]:
        if entity is None or entity == NOBODY:
            return nothing
        found = store.latest(digest, entity, at, None if age is None else at - age)
        if found is None:
            return nothing
        values = _decode(found[2])
        return [values[index] for index in order]

    return read


def _window_reader(compiled: CompiledLookup, store: FreshStore) -> Reader:
    assert compiled.reach is not None
    reach, digest = compiled.reach // _MICROSECOND, compiled.digest
    plans = [_plan(compiled, output) for output in compiled.outputs]
    nothing = [None] * len(plans)

    def read(entity: str | None, at: int) -> list[Any]:
        if entity is None or entity == NOBODY:
            return nothing
        facts = store.window(digest, entity, at - reach, at)
        known = [fact[0] for fact in facts]
        rows = [_decode(fact[2]) for fact in facts]
        return _computed(plans, known, rows, at)

    return read


def _plan(compiled: CompiledLookup, output: Output) -> _Plan:
    assert output.width is not None
    width = output.width // _MICROSECOND
    if output.general is not None:
        return width, None, lambda rows: _general(compiled, output, rows)
    return width, output.measure, aggregation(output)


def _computed(plans: list[_Plan], known: list[int], rows: list[list[Any]], at: int) -> list[Any]:
    """Each plan over its window of the rows, which come by their moments; a column read by several is taken once."""
    columns: dict[tuple[int, int | None], list[Any]] = {}
    found = []
    for width, measure, operation in plans:
        column = columns.get((width, measure))
        if column is None:
            inside = rows[bisect_left(known, at - width) :]
            column = inside if measure is None else [row[measure] for row in inside]
            columns[width, measure] = column
        found.append(operation(column))
    return found


def _general(compiled: CompiledLookup, output: Output, rows: list[list[Any]]) -> Any:
    columns = [
        pl.Series([row[index] for row in rows], dtype=physical) for index, physical in enumerate(compiled.physical)
    ]
    value = general_value(output, general_frame(compiled, columns))
    return (value.to_physical() if output.dtype.is_temporal() else value).item()
