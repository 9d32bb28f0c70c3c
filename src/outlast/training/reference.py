"""Rows of training that go into the bundle, for explanations to compare with."""

from collections.abc import Mapping

import msgspec
import numpy as np

from outlast.bundle.explaining.reference import REFERENCE, ROWS, Reference
from outlast.bundle.plan import read_plan
from outlast.bundle.scoring import FULL, SIMPLER
from outlast.training.simpler.rung import Run


def with_reference(files: Mapping[str, bytes], run: Run) -> dict[str, bytes]:
    """A version's files, and a sample of training rows for its compiled models to be explained with, if it has any."""
    plans = [read_plan(files[one.plan]) for one in (FULL, SIMPLER) if one.plan in files]
    read = {column.name for plan in plans for column in plan.columns}
    names = [name for name in run.dataset.x.columns if name in read]
    if not names:
        return dict(files)
    places = np.random.default_rng(run.seed).permutation(np.flatnonzero(run.train_rows))[:ROWS]
    rows = [list(row) for row in run.dataset.x.select(names)[places].rows()]
    return {**files, REFERENCE: msgspec.json.encode(Reference(names, rows), order="deterministic")}
