"""A source's history: what lies where the source is, and what was pushed since."""

from datetime import datetime

import polars as pl

from outlast.bundle.ingest import decode_facts
from outlast.data.schema import Schema
from outlast.features.facts import RETRACTED
from outlast.journal.reading import facts
from outlast.journal.spelling import from_text
from outlast.project.declare import Source
from outlast.project.workspace import Workspace

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
    frame = decode_facts(source.name, schema, (), [from_text(row) for row in rows["row"].to_list()], mark=RETRACTED)
    return frame.with_columns(rows["at"].dt.epoch("us").alias(ARRIVED))
