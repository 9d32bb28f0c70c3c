"""How well one column alone tells the label: what no honest feature does.

A column is read in two ways, and the better one counts. In its order: the area under the curve, or the square of the
correlation of ranks. In cells (64 quantiles, or each value, and one cell for *missing*): the mean label of every cell
is learnt on every other row and tried on the rest, so that a column of names cannot learn its own rows by heart.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.types import Task

Floats = npt.NDArray[np.float64]
CELLS = 64
CLASSES = 10
"""Of many classes, the most frequent are tried, each against the rest."""
ENOUGH = 20
"""Rows that each side of a comparison needs, or nothing is said."""


def likeness(column: pl.Series, y: npt.NDArray[Any], task: Task) -> float | None:
    """From 0.5 (binary, multiclass) or 0 (regression: a share of the variance) to 1; None where rows are too few."""
    cells = _cells(column)
    order = column.to_physical().rank().to_numpy() if _ordered(column) else None
    if task == "regression":
        return _explained(cells, order, y.astype(np.float64))
    found = [_area(cells, order, (y == one).astype(np.float64)) for one in _frequent(y, task)]
    known = [area for area in found if area is not None]
    return max(known) if known else None


def _frequent(y: npt.NDArray[Any], task: Task) -> list[int]:
    if task == "binary":
        return [1]
    codes, counts = np.unique(y, return_counts=True)
    return [int(code) for code in codes[np.argsort(-counts)][:CLASSES]]


def _ordered(column: pl.Series) -> bool:
    return (column.dtype.is_numeric() or column.dtype.is_temporal()) and not column.has_nulls()


def _cells(column: pl.Series) -> npt.NDArray[np.int64]:
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        numbers = column.to_physical().cast(pl.Float64).fill_nan(None)
        place = (numbers.rank() - 1) * CELLS / max(1, numbers.len() - numbers.null_count())
        return place.fill_null(-1).floor().cast(pl.Int64).to_numpy()
    named = column.cast(pl.String, strict=False) if column.dtype != pl.Boolean else column.cast(pl.Int64)
    return named.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def _learnt(cells: npt.NDArray[np.int64], y: Floats) -> tuple[Floats, Floats]:
    """For every second row, the mean of its cell among the others; and the truth of those rows."""
    codes = np.unique(cells, return_inverse=True)[1]
    size = int(codes.max()) + 1
    sums = np.bincount(codes[::2], weights=y[::2], minlength=size)
    counts = np.bincount(codes[::2], minlength=size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), y[::2].mean())
    return means[codes[1::2]], y[1::2]


def _area(cells: npt.NDArray[np.int64], order: Floats | None, y: Floats) -> float | None:
    if min(y.sum(), (1 - y).sum()) < 2 * ENOUGH:
        return None
    score, truth = _learnt(cells, y)
    areas = [auc(score, truth)]
    if order is not None:
        whole = auc(order, y)
        areas.append(None if whole is None else max(whole, 1 - whole))
    known = [area for area in areas if area is not None]
    return max(known) if known else None


def auc(score: Floats, truth: Floats) -> float | None:
    """The chance that a yes scores above a no, ties counted half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.875
    """
    yes = truth.sum()
    no = len(truth) - yes
    if not yes or not no:
        return None
    ranks = pl.Series(score).rank().to_numpy()
    return float((ranks[truth > 0].sum() - yes * (yes + 1) / 2) / (yes * no))


def _explained(cells: npt.NDArray[np.int64], order: Floats | None, y: Floats) -> float | None:
    if len(y) < 4 * ENOUGH or not y.std():
        return None
    score, truth = _learnt(cells, y)
    left = float(((truth - score) ** 2).sum() / max(((truth - truth.mean()) ** 2).sum(), 1e-300))
    known = [1 - left]
    if order is not None and order.std():
        ranks = pl.Series(y).rank().to_numpy()
        known.append(float(np.corrcoef(order, ranks)[0, 1] ** 2))
    return max(0.0, *known)
