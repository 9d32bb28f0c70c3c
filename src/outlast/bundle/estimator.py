"""Calling a fitted model of any family: one table of probabilities or values out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.errors import TrainingError
from outlast.types import Task

Floats = npt.NDArray[np.float64]


def scores(estimator: Any, x: Any, task: Task, classes: int) -> Floats:
    """Probabilities, one column per class in order, or for a regression one column of values."""
    if task == "regression":
        return np.asarray(estimator.predict(x), dtype=np.float64).reshape(-1, 1)
    if hasattr(estimator, "predict_proba"):
        found = np.asarray(estimator.predict_proba(x), dtype=np.float64)
        return _in_order(found, getattr(estimator, "classes_", None), classes)
    return _from_predictions(np.asarray(estimator.predict(x)), classes)


def given_as(x: pl.DataFrame, *, pandas: bool) -> Any:
    """The frame in the library that `fit` was annotated with."""
    return x.to_pandas() if pandas else x


def _in_order(found: Floats, known: Any, classes: int) -> Floats:
    if found.ndim == 1:
        found = np.column_stack([1.0 - found, found])
    if known is None or len(known) == classes:
        return found
    whole = np.zeros((len(found), classes))
    whole[:, [int(k) for k in known]] = found
    return whole


def _from_predictions(found: npt.NDArray[Any], classes: int) -> Floats:
    """A model without probabilities: its numbers between 0 and 1, its table, or certainty in the class it names."""
    if found.ndim == 2:
        return found.astype(np.float64)
    if found.dtype.kind == "f" and classes == 2 and ((found >= 0) & (found <= 1)).all():
        return np.column_stack([1.0 - found, found])
    if found.dtype.kind not in "iub" or (len(found) and (found.min() < 0 or found.max() >= classes)):
        raise TrainingError(
            "The model's predict() gives neither probabilities nor class numbers: "
            "return an estimator with predict_proba() from fit"
        )
    return np.eye(classes)[found.astype(np.int64)]
