"""The text that names an entity, for one row of plain values, as `facts.spelled` writes it for a column."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from outlast.errors import FeatureError
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import ENTITY, SEPARATOR, spelled

Spell = Callable[[list[Any]], str | None]
Part = Callable[[Any], str | None]


def require_comparable(compiled: CompiledLookup, asks: Mapping[str, pl.DataType]) -> None:
    """Refuse a lookup whose facts are named by moments where the question has numbers, or the other way round.

    No number names a moment by itself, and Polars stops the whole process over one that is too large to be any.
    """
    lookup = compiled.lookup
    for (ask, fact), dtype in zip(lookup.by, compiled.fact_types, strict=True):
        if pl.String not in (asks[ask], dtype) and _kind(asks[ask]) != _kind(dtype):
            raise FeatureError(
                f"{lookup.kind}({lookup.source.name}) looks '{ask}' ({asks[ask]}) up as '{fact}' ({dtype}): "
                "expected columns of one kind; convert one of them where its source is written"
            )


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Date | pl.Datetime):
        return "moment"
    return str(dtype.base_type()) if dtype.is_temporal() else "value"


def speller(compiled: CompiledLookup, asks: Mapping[str, pl.DataType], places: Mapping[str, int]) -> Spell:
    """A function from a row of asks to the entity of a lookup."""
    names = compiled.lookup.entity
    where = [places[name] for name in names]
    parts = [_part(asks[name], fact) for name, fact in zip(names, compiled.fact_types, strict=True)]
    plain = [part for part in parts if part is not None]
    if len(plain) == len(parts):
        return _one(where[0], plain[0]) if len(where) == 1 else _several(where, plain)
    return _by_frame(compiled, {name: asks[name] for name in names}, where)


def _part(ask: pl.DataType, fact: pl.DataType) -> Part | None:
    """How to spell a value that is there as Polars does, where that is plain: text, and whole numbers in range."""
    if fact == pl.String and (ask == pl.String or ask.is_integer()):
        return str
    if not (ask.is_integer() and fact.is_integer()):
        return None
    if ask == fact:
        return str
    low, high = (pl.select(bound).item() for bound in (fact.min(), fact.max()))  # type: ignore[attr-defined]
    return lambda value: str(value) if low <= value <= high else None


def _one(place: int, part: Part) -> Spell:
    def spell(values: list[Any]) -> str | None:
        value = values[place]
        return None if value is None else part(value)

    return spell


def _several(where: list[int], parts: list[Part]) -> Spell:
    steps = list(zip(where, parts, strict=True))

    def spell(values: list[Any]) -> str | None:
        spelt = [None if values[place] is None else part(values[place]) for place, part in steps]
        return None if None in spelt else SEPARATOR.join(spelt)  # type: ignore[arg-type]

    return spell


def _by_frame(compiled: CompiledLookup, schema: dict[str, pl.DataType], where: list[int]) -> Spell:
    entity = spelled(list(schema), types=compiled.fact_types).alias(ENTITY)

    def spell(values: list[Any]) -> str | None:
        row = pl.DataFrame([[values[place] for place in where]], schema=schema, orient="row")
        found: str | None = row.select(entity).item()
        return found

    return spell
