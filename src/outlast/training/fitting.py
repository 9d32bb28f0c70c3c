"""Calling the user's fit with every seed fixed, and what comes back checked."""

import inspect
import random
from typing import Any

import cloudpickle
import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from outlast.bundle.estimator import Floats, given_as, scores
from outlast.errors import OutlastError, TrainingError
from outlast.features.functions import wants_pandas
from outlast.project.declare import Model
from outlast.types import Task, counted


def fit(model: Model, x: pl.DataFrame, y: npt.NDArray[Any], *, seed: int, threads: int) -> Any:
    """What the user's fit returns for these rows."""
    random.seed(seed)
    np.random.seed(seed)
    given = {"seed": seed} if "seed" in inspect.signature(model.fit).parameters else {}
    try:
        with threadpool_limits(threads):
            estimator = model.fit(given_as(x, pandas=wants_pandas(model.fit)), y, **given)
    except OutlastError:
        raise
    except Exception as error:  # fit is the user's and may raise anything
        raise TrainingError(
            f"fit of model '{model.name}' failed on {counted(x.height, 'row')} and {counted(x.width, 'feature')}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not hasattr(estimator, "predict"):
        raise TrainingError(
            f"fit of model '{model.name}' returned a {type(estimator).__name__}: "
            "expected an object with predict(), such as `return LogisticRegression().fit(x, y)`"
        )
    return estimator


def evaluated(model: Model, estimator: Any, x: pl.DataFrame, task: Task, classes: int) -> Floats:
    """What the fitted model says of rows that it has not seen."""
    try:
        return scores(estimator, given_as(x, pandas=wants_pandas(model.fit)), task, classes)
    except OutlastError:
        raise
    except Exception as error:  # the estimator is the user's and may raise anything
        said = str(error).strip().replace("\n", " ")
        raise TrainingError(
            f"What fit of model '{model.name}' returned cannot predict {counted(x.height, 'row')} it has not seen: "
            f"{type(error).__name__}: {said}; it is given the columns that fit was given"
        ) from error


def pickled(model: Model, estimator: Any) -> bytes:
    """The fitted model as bytes."""
    try:
        data: bytes = cloudpickle.dumps(estimator, protocol=5)
    except Exception as error:  # pickling runs the user's own __reduce__ and __getstate__
        raise TrainingError(
            f"What fit of model '{model.name}' returned cannot be kept: {type(error).__name__}: {error}; "
            "keep open files, connections and locks out of the estimator"
        ) from error
    return data
