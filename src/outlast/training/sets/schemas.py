"""The types of a set's sources and asks: those of the data where it can be read, else what the examples show."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from outlast.bundle.ingest import MARK
from outlast.bundle.requests import MISSING, as_moment
from outlast.data.schema import Field, Schema, dtype_name, types
from outlast.data.sources import reading, scan
from outlast.errors import DataError, FeatureError, OutlastError, nearest
from outlast.project.declare import Features, Lookup, Source
from outlast.project.workspace import Workspace
from outlast.training.sets.found import Declared

Values = Mapping[str, Any]


def sources_of(shared: Features) -> dict[str, Source]:
    """The sources that a set reads, by name."""
    return {lookup.source.name: lookup.source for lookup in shared.lookups}


def schema_of(workspace: Workspace, declared: Declared, source: Source) -> Schema | None:
    """The columns of a source as they are where its data lies; None where that cannot be read."""
    folders = dict.fromkeys([*(project.folder for project in declared.users), *declared.folders])
    for folder in folders:
        try:
            frame = scan(source, workspace.location(source, folder))
            with reading(source):
                columns = frame.collect_schema()
        except OutlastError:
            continue  # a path is seen from a model's folder: another one may have it, else the examples have to do
        return Schema([Field(name, known) for name, dtype in columns.items() if (known := _name(dtype))])
    return None


def shown_schema(source: Source, lookups: Sequence[Lookup], rows: Sequence[Values]) -> Schema:
    """The columns of a source as rows of examples show them, and those that lookups read beside them."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    timed = [name for name in (source.time, source.event) if name is not None]
    read = list(dict.fromkeys([*source.keys, *timed, *_read(lookups)]))
    known = {name: _type_of(those) for name, those in values.items() if name in read or name != MARK}
    known |= {name: pl.Datetime("us", "UTC") for name in timed if name in values or not rows}
    for name in read:
        if name not in known:
            if rows:
                raise FeatureError(
                    f"No fact of '{source.name}' in the examples has '{name}', which the set reads, and the source "
                    f"itself cannot be read: {nearest(name, known)}"
                )
            known[name] = pl.String() if name in _entities(lookups, source) else pl.Float64()
    return Schema([Field(name, dtype_name(dtype)) for name, dtype in known.items()])


def ask_fields(workspace: Workspace, declared: Declared, asked: Sequence[Values]) -> dict[str, pl.DataType]:
    """The types of what examples ask: as a model that reads the set knows them, else as the examples show."""
    found: dict[str, pl.DataType] = {}
    for project in declared.users:
        schema = schema_of(workspace, declared, project.model.question)
        known = {} if schema is None else {field.name: field for field in schema.fields}
        wanted = [known[name] for name in project.model.asks.names if name in known]
        found = {**types(Schema(wanted)), **found}
    names = dict.fromkeys(name for asks in asked for name in asks)
    return {name: found.get(name) or _type_of([asks.get(name) for asks in asked]) for name in names}


def _read(lookups: Sequence[Lookup]) -> list[str]:
    roots = [root for lookup in lookups for _, expr in lookup.outputs for root in expr.meta.root_names()]
    return [name for lookup in lookups for name in lookup.fact_entity] + roots


def _entities(lookups: Sequence[Lookup], source: Source) -> set[str]:
    return {*source.keys, *(name for lookup in lookups for name in lookup.fact_entity)}


def _name(dtype: pl.DataType) -> str | None:
    try:
        return dtype_name(dtype)
    except DataError:
        return None  # lists and structs, which no model reads


def _type_of(values: Sequence[Any]) -> pl.DataType:
    """The type that plain values show; text that is a moment with its time of day is a moment."""
    said = [value for value in values if value is not None]
    if not said or all(isinstance(value, int | float) and not isinstance(value, bool) for value in said):
        return pl.Int64() if said and all(isinstance(value, int) for value in said) else pl.Float64()
    if all(isinstance(value, bool) for value in said):
        return pl.Boolean()
    if all(_is_moment(value) for value in said):
        return pl.Datetime("us", "UTC")
    return pl.Date() if all(type(value) is date for value in said) else pl.String()


def _is_moment(value: Any) -> bool:
    if isinstance(value, str):
        return ":" in value and as_moment(value) is not MISSING
    return isinstance(value, datetime)
