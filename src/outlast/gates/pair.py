"""Two versions on the same rows, fair to both: the test rows of the newer that the older was not trained on either."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import Predictor, open_bundle
from outlast.errors import Refused
from outlast.journal.sources import Sources
from outlast.project.contract import TrainingSection
from outlast.project.loader import Project, load_model
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.dataset import AT, KEY, questions, with_features
from outlast.training.evaluation.paired import Blocks, blocks_of
from outlast.training.evaluation.value import Scored, own_worth
from outlast.types import Task

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_HERE = "__here"
_ENOUGH = 0.5
"""The share of the test rows that a version of other code must still be found to answer."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of two versions: its bundle and its model. Opening it executes its code."""

    version: Version
    bundle: Bundle
    predictor: Predictor

    @classmethod
    def open(cls, workspace: Workspace, version: Version) -> "Side":
        bundle = open_bundle(workspace, version.digest)
        return cls(version, bundle, Predictor(bundle, version.number, workspace.fresh))

    def scored(self, rows: pl.DataFrame) -> Scored:
        """Its scores of rows that hold its features."""
        table = np.array(self.predictor.score_features(rows))
        classes = self.bundle.manifest["classes"]
        return Scored(self.bundle.contract, self.predictor.task, classes, rows, table, rows["__y"].to_numpy())


@dataclass(frozen=True, eq=False)
class Pair:
    """The scores of two versions on the same rows; `left` test rows could not be asked of the older one."""

    ours: Scored
    theirs: Scored
    against: Version
    left: int

    @property
    def task(self) -> Task:
        return self.ours.task

    @property
    def y(self) -> npt.NDArray[Any]:
        return self.ours.y

    @cached_property
    def blocks(self) -> Blocks:
        return blocks_of(self.ours.rows[AT].to_numpy())

    @cached_property
    def money(self) -> tuple[Floats, Floats] | None:
        """What either's decisions were worth, row by row, by the newer one's payoffs.

        The older one decides as its contract says, and as the newer one's where that knows other decisions.
        """
        ours, theirs = own_worth(self.ours), own_worth(self.theirs, self.ours)
        if theirs is None:
            theirs = own_worth(replace(self.ours, table=self.theirs.table))
        return None if ours is None or theirs is None else (ours, theirs)


def tested(workspace: Workspace, version: Version) -> pl.DataFrame:
    """The test rows of a version with their features, as its training left them."""
    return workspace.tables.scan(version.summary["snapshot"]).filter(pl.col("__test")).collect()


def pair_up(workspace: Workspace, folder: Path | None, newer: Side, older: Version) -> Pair:
    """Both versions on the same rows; Refused where there is no fair way."""
    rows = _fair_rows(workspace, newer.version, older)
    if rows.is_empty():
        raise Refused("every test row of the one is a training row of the other")
    other = Side.open(workspace, older)
    if _question(newer) != _question(other):
        raise Refused("it answers another question, its task or classes differ")
    if newer.version.code_digest == older.code_digest:
        return Pair(newer.scored(rows), other.scored(rows), older, 0)
    found, asked = _recomputed(workspace, folder, other, rows)
    if found.height < _ENOUGH * rows.height:
        raise Refused(f"its sources hold only {found.height} of the {rows.height} test rows")
    return Pair(newer.scored(rows.filter(asked)), other.scored(found), older, int((~asked).sum()))


def _fair_rows(workspace: Workspace, newer: Version, older: Version) -> pl.DataFrame:
    """The newer's test rows that the older was not trained on either, as it may be in a split at random."""
    theirs = workspace.tables.scan(older.summary["snapshot"]).filter(~pl.col("__test"))
    learned = theirs.select(KEY, AT).collect()
    return tested(workspace, newer).join(learned, on=[KEY, AT], how="anti", maintain_order="left")


def _question(side: Side) -> tuple[str, list[str]]:
    return side.predictor.task, side.bundle.manifest["classes"]


def _recomputed(
    workspace: Workspace, folder: Path | None, side: Side, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.Series]:
    """For a version of other code: its own features of the rows, from the sources; and which rows are still in them."""
    model = load_model(side.bundle.code)
    contract = side.bundle.contract.model_copy(update={"training": TrainingSection()})  # questions of any time
    project = Project(folder or workspace.root, workspace, contract, side.bundle.code, model)
    sources = Sources(project)
    mine = rows.select(KEY, AT, "__y")
    asked = questions(project, sources).join(mine, on=[KEY, AT], how="semi", maintain_order="left")
    found = with_features(project, sources, asked).unique([KEY, AT], keep="last", maintain_order=True)
    joined = mine.join(found.with_columns(pl.lit(True).alias(_HERE)), on=[KEY, AT], how="left", maintain_order="left")
    present = joined[_HERE].fill_null(False)
    return joined.filter(present), present
