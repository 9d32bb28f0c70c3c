"""For tests and notebooks: a project's rows as a training run would see them, its sets tested; nothing is written."""

from pathlib import Path

import polars as pl

from outlast.journal.sources import Sources
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.training.dataset import AT, KEY, LABEL, LABEL_AT, build_dataset, cutoff_of
from outlast.training.sets.trial import Outcome, try_sets
from outlast.types import now


def training_rows(folder: Path) -> pl.DataFrame:
    """Every labelled question in order of time: its asks and features, and its `key`, `at`, `label`, `label_at`."""
    project = load_project(folder)
    rows = build_dataset(project, Sources(project), cutoff_of(project, now())).rows
    marks = {KEY: "key", AT: "at", LABEL: "label", LABEL_AT: "label_at"}
    moments = [pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in (AT, LABEL_AT)]
    return rows.with_columns(moments).rename(marks)


def tried_sets(folder: Path) -> list[Outcome]:
    """Every set that the project and its workspace declare, tested as `outlast features test` does."""
    found, _ = try_sets(Workspace.find(folder), folder)
    return found
