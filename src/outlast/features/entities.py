"""The text that names an entity, for one row of plain values, as `facts.spelled` writes it for a column."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from outlast.features.compiled import CompiledLookup
from outlast.features.facts import ENTITY, SEPARATOR, spelled

Spell = Callable[[list[Any]], str | None]


def speller(compiled: CompiledLookup, asks: Mapping[str, pl.DataType], places: Mapping[str, int]) -> Spell:
    """A function from a row of asks to the entity of a lookup."""
    names = compiled.lookup.entity
    where = [places[name] for name in names]
    if all(_plain(asks[name], fact) for name, fact in zip(names, compiled.fact_types, strict=True)):
        return _one(where[0]) if len(where) == 1 else _several(where)
    return _by_frame(compiled, {name: asks[name] for name in names}, where)


def _plain(ask: pl.DataType, fact: pl.DataType) -> bool:
    """Whether plain str() of the value is what Polars writes: text as text, whole numbers as whole numbers."""
    return (ask == pl.String and fact == pl.String) or (ask.is_integer() and ask == fact)


def _one(place: int) -> Spell:
    def spell(values: list[Any]) -> str | None:
        value = values[place]
        return value if value is None or isinstance(value, str) else str(value)

    return spell


def _several(where: list[int]) -> Spell:
    def spell(values: list[Any]) -> str | None:
        parts = [values[place] for place in where]
        return None if None in parts else SEPARATOR.join(map(str, parts))

    return spell


def _by_frame(compiled: CompiledLookup, schema: dict[str, pl.DataType], where: list[int]) -> Spell:
    entity = spelled(list(schema), types=compiled.fact_types).alias(ENTITY)

    def spell(values: list[Any]) -> str | None:
        row = pl.DataFrame([[values[place] for place in where]], schema=schema, orient="row")
        found: str | None = row.select(entity).item()
        return found

    return spell
