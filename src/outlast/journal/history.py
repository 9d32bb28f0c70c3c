"""A source's history: what lies where the source is, and what was pushed since."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.ingest import decode_facts
from outlast.bundle.requests import LARGEST
from outlast.data.schema import Schema, types
from outlast.features.facts import RETRACTED
from outlast.journal.reading import facts
from outlast.journal.spelling import from_text
from outlast.project.declare import Source
from outlast.project.workspace import Workspace
from outlast.types import micros

_decode = msgspec.json.Decoder().decode
ARRIVED = "__arrived"
"""The column that says when a fact came in, in microseconds since 1970; null where only its location has it."""


def pushed(workspace: Workspace, source: Source, schema: Schema) -> pl.DataFrame:
    """The facts of a source that came through `push` and POST /facts, in the order they came, as the source's types.

    Where some withdraw others, the column RETRACTED marks them.
    """
    return arrivals(workspace, source, schema).drop(ARRIVED)


def arrivals(workspace: Workspace, source: Source, schema: Schema, *, since: datetime | None = None) -> pl.DataFrame:
    """The same with the moment each came in; with `since`, only those that came from then on."""
    rows = facts(workspace, source.name, since).select("row", "at").sort("at", maintain_order=True).collect()
    texts: list[str] = rows["row"].to_list()
    frame = _by_columns(texts, schema)
    if frame is None:
        frame = decode_facts(source.name, schema, (), [from_text(text) for text in texts], mark=RETRACTED)
    return frame.with_columns(rows["at"].dt.epoch("us").alias(ARRIVED))


def _by_columns(texts: Sequence[str], schema: Schema) -> pl.DataFrame | None:
    """What decode_facts gives, a column at a time, for rows that are as nearly all are; None where one is not.

    A run reads hundreds of thousands, in less than half of the time.
    """
    rows: list[dict[str, Any]] = _decode(f"[{','.join(texts)}]")
    if any(RETRACTED in row for row in rows):
        return None
    columns = []
    for name, dtype in types(schema).items():
        try:
            values = [row[name] for row in rows]
            column = _column(values, dtype)
        except (KeyError, TypeError, OverflowError, pl.exceptions.PolarsError):
            return None
        if column is None:
            return None
        columns.append(column.alias(name))
    return pl.DataFrame(columns)


def _column(values: list[Any], dtype: pl.DataType) -> pl.Series | None:
    kinds = set(map(type, values)) - {type(None)}
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns" and kinds <= {dict}:
        told = [None if one is None else micros(datetime.fromisoformat(one["$datetime"])) for one in values]
        return pl.Series(told, dtype=pl.Int64).cast(pl.Datetime("us", dtype.time_zone)).cast(dtype)
    if dtype.is_float() and kinds <= {float, int}:
        found = pl.Series(values, dtype=pl.Float64, strict=False)
        return None if (found.abs() > LARGEST).any() else found.cast(dtype)
    usual = {str} if dtype == pl.String else {bool} if dtype == pl.Boolean else {int} if dtype.is_integer() else None
    return pl.Series(values, dtype=dtype) if usual is not None and kinds <= usual else None
