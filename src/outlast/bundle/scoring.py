"""The model of a version, ready to be asked: in its compiled form where that gives the golden answers, else pickled."""

import logging
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from outlast.bundle.compiled import Compiled
from outlast.bundle.estimator import Floats, given_as, scores
from outlast.bundle.format import NATIVE, Bundle
from outlast.bundle.plan import PLAN, TREES, read_plan
from outlast.errors import OutlastError
from outlast.types import Task

_log = logging.getLogger("outlast.predictor")
Decision = Callable[[Sequence[float], dict[str, Any]], Any]


class Files(NamedTuple):
    """Where a bundle keeps one of its models."""

    native: str
    plan: str
    trees: str


FULL = Files(NATIVE, PLAN, TREES)
SIMPLER = Files("model/simpler.pkl", "model/simpler.json", "model/simpler.onnx")


class Scoring:
    """A version's model. The code of the bundle is there already: what was pickled may need it."""

    def __init__(self, bundle: Bundle, task: Task, outcomes: int, *, decision: Decision, simpler: bool = False) -> None:
        files, part = (SIMPLER, bundle.manifest["simpler"]) if simpler else (FULL, bundle.manifest)
        self._task, self._outcomes = task, outcomes
        self._pandas: bool = part["pandas"]
        self._compiled = _proven(bundle, files, part["features"], decision)
        self._estimator = None if self._compiled else pickle.loads(bundle.files[files.native])
        self.rows: Callable[[Sequence[Sequence[Any]]], list[list[float]]] | None = (
            self._compiled.rows if self._compiled else None
        )
        """The scores of rows of plain values, where there is a way without a frame."""

    def table(self, frame: pl.DataFrame) -> Floats:
        """The scores of many rows."""
        if self._compiled is not None:
            return self._compiled.table(frame)
        return scores(self._estimator, given_as(frame, pandas=self._pandas), self._task, self._outcomes)


def _proven(bundle: Bundle, files: Files, features: Sequence[str], decision: Decision) -> Compiled | None:
    """The compiled model of a bundle, unless it answers its golden rows otherwise on this machine."""
    if files.plan not in bundle.files:
        return None
    compiled = Compiled(read_plan(bundle.files[files.plan]), bundle.files.get(files.trees), features)
    tolerance = bundle.contract.serving.tolerance
    for golden in bundle.json("golden.json"):
        row, expected = golden["features"], _scores(golden, files)
        try:
            found = compiled.row([row[name] for name in features])
        except OutlastError as error:
            _log.warning("the fitted model serves, the compiled one refuses a golden row: %s", error)
            return None
        near = all(abs(a - b) <= tolerance * max(1.0, abs(b)) for a, b in zip(found, expected, strict=True))
        if not near or decision(found, row) != decision(expected, row):
            _log.warning("the fitted model serves, the compiled one answers %s where %s is golden", found, expected)
            return None
    return compiled


def _scores(golden: Mapping[str, Any], files: Files) -> list[float]:
    found: list[float] = (golden["simpler"] if files is SIMPLER else golden)["scores"]
    return found
