"""The training set as it was, kept for good: what was asked and looked up, the features, the labels and the split."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.data.fingerprint import rows_digest
from outlast.data.schema import dtype_name
from outlast.project.declare import Model
from outlast.project.workspace import Workspace
from outlast.storage.columns import fit
from outlast.training.dataset import Dataset

ROW, TRAIN, TEST, TRUTH = "__row", "__train", "__test", "__y"
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Snapshot:
    """Where a training set is kept, its digest, and the types of what functions are given, which tables widen."""

    table: str
    digest: str
    rows: int
    given: dict[str, str]

    def lineage(self) -> dict[str, object]:
        """What a version's lineage says of it."""
        return {"digest": self.digest, "rows": self.rows, "given": self.given}


def keep(workspace: Workspace, model: Model, dataset: Dataset, split: tuple[Mask, Mask]) -> Snapshot:
    """Keep the rows of a run with what trained and what tested; equal sets are kept once."""
    frame = laid_out(model.name, dataset, split)
    digest = rows_digest(frame.lazy(), ordered=True)
    table = f"snapshots/{model.name}/{digest[:16]}"
    workspace.tables.append(table, frame, once=digest)
    names = given_names(model)
    return Snapshot(table, digest, frame.height, {n: dtype_name(dataset.rows.schema[n]) for n in names})


def laid_out(name: str, dataset: Dataset, split: tuple[Mask, Mask]) -> pl.DataFrame:
    """The rows as a table keeps them, each with its place, its part in the split and its label's code."""
    marks = [pl.Series(TRAIN, split[0]), pl.Series(TEST, split[1]), pl.Series(TRUTH, dataset.y)]
    return fit(f"snapshots/{name}", dataset.rows.with_row_index(ROW).with_columns(marks), {}, untyped=False)


def given_names(model: Model) -> list[str]:
    """What functions are given: what is asked, and what lookups add."""
    return [*model.asks.names, *(name for lookup in model.lookups for name in lookup.names)]
