"""Who may become the simpler model: the project's own fit, a house model, and one taught by the full model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from outlast.bundle.distilled import Distilled, lessons
from outlast.errors import TrainingError
from outlast.types import Task

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]
Fit = Callable[[pl.DataFrame, Labels, Callable[[], Floats]], Any]
"""From columns, labels and what the full model says of these rows, if asked, to a fitted estimator."""
WORDS = 250
"""Words that a column may hold for the house model: of more, the order by which trees split them means nothing."""
_SHAPE = {"max_iter": 100, "learning_rate": 0.1, "max_leaf_nodes": 15, "early_stopping": False}


@dataclass(frozen=True)
class Candidate:
    """One of them: its name, what it is in a few words, and how it is fitted."""

    name: str
    what: str
    pandas: bool
    fit: Fit


def house(task: Task, seed: int, threads: int) -> Candidate:
    """Boosted trees on the labels."""

    def fit(x: pl.DataFrame, y: Labels, _: Callable[[], Floats]) -> Any:
        return _trees(x, y, classify=task != "regression", seed=seed, threads=threads)

    return Candidate("house", "boosted trees on the labels", False, fit)


def distilled(task: Task, seed: int, threads: int) -> Candidate:
    """Boosted trees on what the full model says."""

    def fit(x: pl.DataFrame, y: Labels, taught: Callable[[], Floats]) -> Any:
        says = taught()
        targets = says if task == "regression" else lessons(says)
        parts = [_trees(x, target, classify=False, seed=seed, threads=threads) for target in targets.T]
        return parts[0] if task == "regression" else Distilled(parts)

    return Candidate("distilled", "boosted trees taught by the full model", False, fit)


def _trees(x: pl.DataFrame, y: Labels, *, classify: bool, seed: int, threads: int) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words, numbers = _usable(x)
    if not words and not numbers:
        raise TrainingError(f"no column is a number, true or false, or one of at most {WORDS} words")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    parts = [(codes, words)] if words else []
    encode = make_column_transformer(*parts, ("passthrough", numbers))
    kind = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    with threadpool_limits(threads):
        try:
            return make_pipeline(encode, kind(**_SHAPE, random_state=seed)).fit(x, y)
        except ValueError as error:  # such as infinite numbers in a column
            raise TrainingError(f"boosted trees cannot be fitted: {error}") from error


def _usable(x: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Columns of few words, and columns of numbers; moments only grow, so trees cannot learn from them."""
    words = [name for name, kind in x.schema.items() if kind == pl.String and x[name].n_unique() <= WORDS]
    numbers = [name for name, kind in x.schema.items() if kind.is_numeric() or kind == pl.Boolean]
    return words, numbers
