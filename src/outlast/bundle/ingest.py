"""Facts on their way in: decoded by their source's schema, and written to the store of fresh values."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from outlast.bundle.requests import MISSING, converters
from outlast.data.schema import Schema, types
from outlast.errors import DataError, RequestError
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import ENTITY, KNOWN, known_at, spelled
from outlast.features.online import to_store
from outlast.storage.fresh import FreshValues

MARGIN = timedelta(days=2)
"""How much longer than its reach a lookup's facts are kept, for questions that are asked late."""


def decode_facts(name: str, schema: Schema, required: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as callers send them, as a frame of the source's types."""
    convert = converters(schema.fields)
    columns: dict[str, list[Any]] = {column: [] for column in convert}
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RequestError(f"Fact {index} of '{name}' is not an object of fields", details={"row": index})
        for column, (to, expected) in convert.items():
            given = row.get(column)
            value = None if given is None else to(given)
            if value is MISSING or (value is None and column in required):
                says = "is missing" if given is None else f"is {str(given)[:60]!r}"
                raise RequestError(
                    f"Fact {index} of '{name}', field '{column}' {says}: expected {expected}",
                    details={"row": index, "field": column},
                )
            columns[column].append(value)
    return pl.DataFrame(columns, schema=types(schema))


def fit_schema(name: str, schema: Schema, frame: pl.DataFrame, required: Sequence[str]) -> pl.DataFrame:
    """A file's rows with the columns and types that the source had in training."""
    wanted = types(schema)
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise DataError(f"The facts for '{name}' have no column '{missing[0]}': expected {', '.join(wanted)}")
    present = [pl.col(column).cast(dtype) for column, dtype in wanted.items() if column in frame.columns]
    absent = [pl.lit(None, dtype).alias(column) for column, dtype in wanted.items() if column not in frame.columns]
    try:
        fitted = frame.select(*present, *absent).select(list(wanted))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The facts for '{name}' do not have the types of training: {error}") from None
    holes = [column for column in required if fitted[column].null_count()]
    if holes:
        raise DataError(f"The facts for '{name}' have rows without '{holes[0]}', which names or dates a fact")
    return fitted


def update(store: FreshValues, lookups: Iterable[CompiledLookup], frame: pl.DataFrame) -> list[str]:
    """Write new facts for every lookup that reads their source, in one transaction; the digests that took them."""
    distinct = {lookup.digest: lookup for lookup in lookups}
    store.ingest_many((digest, to_store(lookup, frame)) for digest, lookup in distinct.items())
    return list(distinct)


def fill(store: FreshValues, lookup: CompiledLookup, history: pl.LazyFrame) -> int:
    """Bring a lookup's fresh values up to its source's history: what a question asked from now on can still need."""
    recent = history.with_columns(known_at(lookup.lookup.source).alias(KNOWN)).drop_nulls(KNOWN)
    newest = recent.select(pl.col(KNOWN).max()).collect().item()
    if newest is None:
        return 0
    reach = lookup.reach
    if reach is not None:
        recent = recent.filter(pl.col(KNOWN) >= newest - (reach + MARGIN) // timedelta(microseconds=1))
    else:
        entity = spelled(lookup.lookup.fact_entity).alias(ENTITY)
        recent = recent.with_columns(entity).filter(
            (pl.col(KNOWN) == pl.col(KNOWN).max().over(ENTITY))
            | (pl.col(KNOWN) >= newest - MARGIN // timedelta(microseconds=1))
        )
    store.ingest(lookup.digest, facts := to_store(lookup, recent.drop(KNOWN, ENTITY, strict=False)))
    return len(facts)
