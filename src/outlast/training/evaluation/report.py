"""The evaluation of a version, as it is kept in its summary: plain JSON, the same for the same seed."""

from typing import Any

import polars as pl

from outlast.bundle.decisions import threshold
from outlast.training.evaluation.calibration import calibration, of_top_class
from outlast.training.evaluation.importance import Score, importance
from outlast.training.evaluation.intervals import Floats
from outlast.training.evaluation.slices import metric_of, slices_of
from outlast.training.evaluation.thresholds import capacity, thresholds
from outlast.training.evaluation.value import Scored
from outlast.types import FORMAT


def evaluation(
    tested: Scored, x: pl.DataFrame, score: Score, *, at: Floats | None, share: float, seed: int
) -> dict[str, Any]:
    """Everything beyond metrics and money that a decision about a version rests on.

    `x` are the features of the rows tested, `at` their moments in microseconds, `share` the part of each day's
    questions that they are. What does not apply to the task or the contract is None.
    """
    binary, metric = tested.task == "binary", metric_of(tested.contract, tested.task)
    return {
        "format": FORMAT,
        "calibration": _calibration(tested, seed),
        "slices": slices_of(tested, tested.contract.gate.slices, seed),
        "thresholds": thresholds(tested, threshold(tested.contract) if binary else None, seed),
        "capacity": capacity(tested, at, share),
        "importance": importance(score, x, tested.y, task=tested.task, metric=metric, seed=seed),
    }


def _calibration(tested: Scored, seed: int) -> dict[str, Any] | None:
    if tested.task == "regression":
        return None
    if tested.task == "binary":
        return calibration(tested.y, tested.table[:, 1], seed)
    return of_top_class(tested.y, tested.table, seed)
