"""Were the features that were served the right ones? Computed again, from files that the server never saw."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from outlast.journal.reading import predictions
from outlast.journal.sources import Sources
from outlast.journal.spelling import from_text
from outlast.project.loader import Project
from outlast.project.workspace import Declaration, Workspace
from outlast.training.dataset import AT, KEY, with_features


@dataclass(frozen=True)
class Difference:
    """A feature that was served with another value than the whole year's files give for that decision."""

    key: str
    feature: str
    served: Any
    computed: Any


def audit(project: Project, sample: int, seed: int = 0) -> tuple[int, int, list[Difference]]:
    """Decisions looked at, values compared, and every value that is not equal to the last bit."""
    journalled = predictions(project.workspace, project.model.name).collect()
    journalled = journalled.sample(min(sample, journalled.height), seed=seed).sort("decide_at", "key")
    served = [from_text(row["asks"]) | from_text(row["features"]) for row in journalled.iter_rows(named=True)]
    year = _of_the_year(project)
    sources = Sources(year)
    types = sources.types(project.model.question)
    asked = pl.DataFrame(served, schema={name: types[name] for name in project.model.asks.names}).with_columns(
        journalled["key"].alias(KEY), journalled["decide_at"].dt.epoch("us").alias(AT)
    )
    computed = with_features(year, sources, asked).to_dicts()
    differences = [
        Difference(row[KEY], name, one.get(name), value)
        for one, row in zip(served, computed, strict=True)
        for name, value in row.items()
        if not name.startswith("__") and one.get(name) != value
    ]
    return len(served), sum(len(one) for one in served), differences


def _of_the_year(project: Project) -> Project:
    """The same project in a workspace of its own, where nothing was pushed and sources are the whole year's files."""
    year = project.folder / "data" / "year"
    bound = {source.name: Path(str(source.location)).name for source in project.model.sources}
    return replace(project, workspace=Workspace(year, Declaration(sources=bound)))
