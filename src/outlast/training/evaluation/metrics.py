"""Figures of merit with intervals.

Intervals are the 2.5th and 97.5th percentiles of a Poisson bootstrap over rows (each row's weight drawn from
Poisson(1), 200 seeded draws): they assume rows that are independent given the model, and are too narrow where rows
come in storms.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.types import SMALLER_IS_BETTER, Task

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats], float | None]
DRAWS = 200
METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "accuracy", "brier"),
    "multiclass": ("log_loss", "accuracy"),
    "regression": ("mae", "rmse", "r2"),
}
MAIN: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "mae"}


def measure(task: Task, y: npt.NDArray[Any], table: Floats, seed: int) -> dict[str, dict[str, float]]:
    """Every metric of a task on scored rows, each as {value, low, high}; one that is not defined there is left out."""
    found = _with_intervals(metrics_of(task, y, table), len(y), seed)
    return {name: interval for name, interval in found.items() if interval is not None}


def metrics_of(task: Task, y: npt.NDArray[Any], table: Floats) -> Mapping[str, Metric]:
    """Metrics as functions of row weights."""
    if task == "regression":
        return _regression(y.astype(np.float64), table[:, 0])
    losses = -np.log(np.clip(table[np.arange(len(y)), y], 1e-15, 1.0))
    hits = (table.argmax(axis=1) == y).astype(np.float64)
    common: dict[str, Metric] = {"log_loss": _mean_of(losses), "accuracy": _mean_of(hits)}
    if task == "multiclass":
        return common
    return {"roc_auc": _auc(y, table[:, 1]), **common, "brier": _mean_of((table[:, 1] - y) ** 2)}


def with_interval(metric: Metric, rows: int, seed: int) -> dict[str, float] | None:
    """A metric on all rows, and its bootstrap interval."""
    return _with_intervals({"one": metric}, rows, seed)["one"]


def _with_intervals(metrics: Mapping[str, Metric], rows: int, seed: int) -> dict[str, dict[str, float] | None]:
    """Several metrics from the same draws; None for one that is not defined on all rows."""
    every, rng = np.ones(rows), np.random.default_rng(seed)
    values = {name: metric(every) for name, metric in metrics.items()}
    drawn: dict[str, list[float | None]] = {name: [] for name in metrics}
    for _ in range(DRAWS):
        weights = rng.poisson(1.0, rows).astype(np.float64)
        for name, metric in metrics.items():
            drawn[name].append(None if values[name] is None else metric(weights))
    return {name: _interval(value, drawn[name]) for name, value in values.items()}


def _interval(value: float | None, drawn: list[float | None]) -> dict[str, float] | None:
    if value is None:
        return None
    known = np.array([d for d in drawn if d is not None])
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (value, value)
    return {"value": float(value), "low": float(low), "high": float(high)}


def better(name: str, one: float, other: float) -> bool:
    """Whether the first figure is better than the second."""
    return one < other if name in SMALLER_IS_BETTER else one > other


def _mean_of(values: Floats) -> Metric:
    def mean(weights: Floats) -> float | None:
        total = weights.sum()
        return float((values * weights).sum() / total) if total else None

    return mean


def _auc(y: npt.NDArray[Any], score: Floats) -> Metric:
    """The chance that a yes outscores a no, ties counting half (Mann and Whitney, 1947)."""
    distinct, place = np.unique(score, return_inverse=True)
    yes, no = (y == 1).astype(np.float64), (y != 1).astype(np.float64)

    def auc(weights: Floats) -> float | None:
        positives = np.bincount(place, weights * yes, len(distinct))
        negatives = np.bincount(place, weights * no, len(distinct))
        if not positives.sum() or not negatives.sum():
            return None
        below = np.cumsum(negatives) - negatives
        return float((positives * (below + negatives / 2)).sum() / (positives.sum() * negatives.sum()))

    return auc


def _regression(y: Floats, predicted: Floats) -> Mapping[str, Metric]:
    squared, absolute = (y - predicted) ** 2, np.abs(y - predicted)

    def rmse(weights: Floats) -> float | None:
        return float(np.sqrt((squared * weights).sum() / weights.sum())) if weights.sum() else None

    def r2(weights: Floats) -> float | None:
        total = weights.sum()
        spread = (weights * (y - (weights * y).sum() / total) ** 2).sum() if total else 0.0
        return float(1 - (weights * squared).sum() / spread) if spread else None

    return {"mae": _mean_of(absolute), "rmse": rmse, "r2": r2}
