"""How much worse the model gets when one feature's values are shuffled among the rows: what it leans on."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from outlast.training.evaluation.intervals import Floats
from outlast.training.evaluation.metrics import metrics_of
from outlast.types import SMALLER_IS_BETTER, Task

REPEATS = 5
_MOST = 120_000
"""Rows that the model is asked for altogether, so that the time is bounded and the figures are the same each run."""
_LEAST = 20_000
_TIMES = 6
_APART = 200

Score = Callable[[pl.DataFrame], Floats]


def importance(score: Score, x: pl.DataFrame, y: Any, *, task: Task, metric: str, seed: int) -> dict[str, Any]:
    """The loss of each feature, the largest first, as {value, low, high} over repeats, on rows not fitted on.

    Each repeat takes rows of its own, where there are enough; so the interval covers the luck of shuffling and of rows.
    """
    rng = np.random.default_rng(seed)
    parts = _parts(rng, x.height, x.width)
    order = np.concatenate(parts)
    rows, truth = x[order], np.asarray(y)[order]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    before = _figures(score(rows), truth, starts, task, metric)
    losses = {}
    for name in x.columns:
        places = np.concatenate([low + rng.permutation(high - low) for low, high in pairwise(starts)])
        shuffled = rows.with_columns(rows[name].gather(places))
        losses[name] = _over(before, _figures(score(shuffled), truth, starts, task, metric), metric)
    ranked = sorted(losses.items(), key=lambda one: -np.inf if one[1] is None else -one[1]["value"])
    features = [{"feature": name, "loss": loss} for name, loss in ranked]
    return {"metric": metric, "rows": len(np.unique(order)), "repeats": REPEATS, "features": features}


def _parts(rng: np.random.Generator, rows: int, features: int) -> list[Any]:
    """The rows of each repeat: apart where there are enough, else all of them each time."""
    budget = min(_MOST, max(_LEAST, _TIMES * rows))
    most = max(budget // (features + 1), REPEATS * _APART)
    order = rng.permutation(rows)[:most]
    if len(order) >= REPEATS * _APART:
        return np.array_split(order, REPEATS)
    return [order] * REPEATS


def _figures(table: Floats, y: Any, starts: Any, task: Task, metric: str) -> list[float | None]:
    found = []
    for low, high in pairwise(starts):
        found.append(metrics_of(task, y[low:high], table[low:high])[metric](np.ones(high - low)))
    return found


def _over(before: list[float | None], after: list[float | None], metric: str) -> dict[str, float] | None:
    """The mean loss over repeats, and Student's interval of it; None where it was never defined."""
    from scipy.special import stdtrit  # a server does not wait for it

    sign = 1 if metric in SMALLER_IS_BETTER else -1
    pairs = zip(before, after, strict=True)
    lost = [sign * (then - was) for was, then in pairs if was is not None and then is not None]
    if not lost:
        return None
    value = float(np.mean(lost))
    spread = float(stdtrit(len(lost) - 1, 0.975) * np.std(lost, ddof=1) / len(lost) ** 0.5) if len(lost) > 1 else 0.0
    return {"value": value, "low": value - spread, "high": value + spread}
