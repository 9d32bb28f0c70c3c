"""The table of questions, which grows as a warehouse's would: a successor is trained on what was asked meanwhile too.

Facts need no such thing: those that are pushed are in the journal, and training reads them there.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from outlast.data.sources import address, kind_of
from outlast.errors import DataError
from outlast.features.facts import instants
from outlast.project.declare import Source
from outlast.project.loader import Project
from outlast.replaying.faults import Fault, faulty
from outlast.replaying.history import AT, table
from outlast.types import micros


def grow(project: Project, begin: datetime, end: datetime, *, folder: Path, faults: Sequence[Fault]) -> int:
    """Add the questions of a stretch to where the model's questions lie, those that are there already left out."""
    source = project.model.question
    place = _place(project, source, folder)
    at = instants(str(source.time)).alias(AT)
    asked = table(project, source, folder).with_columns(at)
    asked = asked.filter(pl.col(AT).is_between(micros(begin), micros(end), closed="left"))
    known = pl.read_parquet(place)
    new = faulty(asked.collect(), source.name, faults).drop(AT).join(known, on=source.keys, how="anti")
    if new.is_empty():
        return 0
    if place.is_dir():
        known, place = known.clear(), place / f"asked-{micros(begin)}.parquet"
    aside = place.with_name(f".{place.name}.new")
    pl.concat([known, new.select(known.columns).cast(known.schema)]).write_parquet(aside, compression="lz4")
    os.replace(aside, place)
    return new.height


def _place(project: Project, source: Source, folder: Path) -> Path:
    """The Parquet file or folder that grows, which is not the one that is read."""
    location = project.workspace.location(source, project.folder)
    if callable(location) or "://" in str(location) or kind_of(source, location) != "parquet" or "*" in str(location):
        raise DataError(
            f"Source '{source.name}' cannot grow: expected a Parquet file, or a folder of them; leave --grow out"
        )
    place = Path(address(location))
    if place.resolve() == (folder / place.name).resolve():
        raise DataError(f"Source '{source.name}' lies in {folder} itself, with the whole past in it: leave --grow out")
    return place
