"""Calling the user's fit with every seed fixed, and what comes back checked."""

import inspect
import io
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from types import CodeType
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


def fit(
    model: Model,
    x: pl.DataFrame,
    y: npt.NDArray[Any],
    *,
    seed: int,
    threads: int,
    parameters: Mapping[str, Any] | None = None,
) -> Any:
    """What the user's fit returns for these rows, with the parameters that a search chose."""
    random.seed(seed)
    np.random.seed(seed)
    given = {"seed": seed} if "seed" in inspect.signature(model.fit).parameters else {}
    given |= parameters or {}
    try:
        with _threads(threads):
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
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=5).dump(estimator)
    except Exception as error:  # pickling runs the user's own __reduce__ and __getstate__
        raise TrainingError(
            f"What fit of model '{model.name}' returned cannot be kept: {type(error).__name__}: {error}; "
            "keep open files, connections and locks out of the estimator"
        ) from error
    return buffer.getvalue()


_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


@contextmanager
def _threads(most: int) -> Iterator[None]:
    """At most so many threads: in libraries that are loaded, and in those that fit is the first to import."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, str(most)))
    try:
        with threadpool_limits(most):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Keeps functions that are written down whole without the folder they were read from: equal code, equal bytes."""

    def _function_getnewargs(self, function: Any) -> Any:
        code, shared, *rest = super()._function_getnewargs(function)
        if "__file__" in shared:
            shared["__file__"] = PurePath(shared["__file__"]).name
        return code, shared, *rest

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, CodeType) and value.co_filename != (name := PurePath(value.co_filename).name):
            return self.dispatch_table[CodeType](value.replace(co_filename=name))
        return super().reducer_override(value)
