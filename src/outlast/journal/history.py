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


def pushed(workspace: Workspace, source: Source, schema: Schema, until: datetime | None = None) -> pl.DataFrame:
    """The facts of a source that came through `push` and POST /facts, in the order they came, as the source's types.

    Where some withdraw others, the column RETRACTED marks them. With `until`, only those that had come by then.
    """
    rows = facts(workspace, source.name, until=until).sort("at", maintain_order=True).collect()["row"].to_list()
    return decode_facts(source.name, schema, (), [from_text(row) for row in rows], mark=RETRACTED)
