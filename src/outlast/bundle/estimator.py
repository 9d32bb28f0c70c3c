"""Calling a fitted model of any family: one table of probabilities or values out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.errors import TrainingError
from outlast.types import Task

Floats = npt.NDArray[np.float64]


def scores(estimator: Any, x: Any, task: Task, classes: int) -> Floats:
    """Probabilities, one column per class in order, or for a regression one column of values; all of them numbers."""
    if task == "regression":
        found = _values(_predicted(estimator, x))
    elif hasattr(estimator, "predict_proba"):
        found = _in_order(_floats(estimator.predict_proba(x)), getattr(estimator, "classes_", None), classes)
    else:
        found = _from_predictions(np.asarray(_predicted(estimator, x)), classes)
    if len(found) != len(x):
        raise TrainingError(f"The model gave {len(found)} answers for {len(x)} rows: return one for each row")
    if not np.isfinite(found).all():
        bad = found[~np.isfinite(found)][0]
        raise TrainingError(f"The model gave {bad} for a row, which is no score: fill what is missing before it")
    return found


def given_as(x: pl.DataFrame, *, pandas: bool) -> Any:
    """The frame in the library that `fit` was annotated with."""
    return x.to_pandas() if pandas else x


def _predicted(estimator: Any, x: Any) -> Any:
    kind = type(estimator)
    if kind.__name__ == "Booster" and kind.__module__.startswith("xgboost"):
        from xgboost import DMatrix

        return estimator.predict(DMatrix(x, enable_categorical=True))
    return estimator.predict(x)


def _values(found: Any) -> Floats:
    values = _floats(found)
    if values.ndim > 2 or (values.ndim == 2 and values.shape[1] != 1):
        raise TrainingError(f"The model's predict() gives {values.shape[-1]} values a row: a regression gives one")
    return values.reshape(-1, 1)


def _floats(found: Any) -> Floats:
    try:
        return np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"The model gives what are no numbers ({error}): return probabilities or values") from None


def _in_order(found: Floats, known: Any, classes: int) -> Floats:
    """Columns in the order of the codes; a class that training had no row of has no chance."""
    if found.ndim == 1:
        found = np.column_stack([1.0 - found, found])
    places = places_of(known, found.shape[1], classes)
    if places == list(range(classes)):
        return found
    whole = np.zeros((len(found), classes))
    whole[:, places] = found
    return whole


def places_of(known: Any, columns: int, classes: int) -> list[int]:
    """The code of the class that each column is about."""
    try:
        places = list(range(columns)) if known is None else [int(k) for k in known]
    except (TypeError, ValueError):
        places = []
    if len(places) != columns or not set(places) <= set(range(classes)) or (known is None and columns != classes):
        raise TrainingError(
            f"The model's predict_proba() has {columns} columns and its classes_ are {_shown(known)}: expected codes "
            f"from 0 to {classes - 1}, as fit was given them in y"
        )
    return places


def _shown(known: Any) -> str:
    return "not said" if known is None else str(list(known))[:60]


def _from_predictions(found: npt.NDArray[Any], classes: int) -> Floats:
    """A model without probabilities: its numbers between 0 and 1, its table, or certainty in the class it names."""
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 2:
        return _in_order(_floats(found), None, classes)
    if found.dtype.kind == "f" and classes == 2 and ((found >= 0) & (found <= 1)).all():
        return np.column_stack([1.0 - found, found])
    if found.dtype.kind == "f" and (found == np.floor(found)).all():
        found = found.astype(np.int64)
    if found.dtype.kind not in "iub" or (len(found) and (found.min() < 0 or found.max() >= classes)):
        raise TrainingError(
            "The model's predict() gives neither probabilities nor class numbers: "
            "return an estimator with predict_proba() from fit"
        )
    return np.eye(classes)[found.astype(np.int64)]
