"""Intervals that need no draws: of means, of shares, of the area under the curve, many groups at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Z = 1.959963984540054
"""Of a normal distribution, 95 % lies within as many standard deviations."""


def mean_of(values: Floats) -> dict[str, float]:
    """A mean with its interval, by the normal approximation."""
    value = float(values.mean())
    spread = Z * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"value": value, "low": value - spread, "high": value + spread}


def wilson(yes: float, rows: int) -> tuple[float, float]:
    """The interval of a share (Wilson, 1927): it stays within 0 and 1 and is honest for few rows."""
    share, size = yes / rows, rows + Z**2
    middle, half = (yes + Z**2 / 2) / size, Z * (share * (1 - share) * rows + Z**2 / 4) ** 0.5 / size
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, eq=False)
class Groups:
    """A figure in each of several groups, its standard error, and the rows it is made of; NaN where it is unknown."""

    value: Floats
    error: Floats
    rows: Codes


Grouped = Callable[[Codes, int], Groups]
"""From the group of each row (-1: of none) and how many groups there are to the figure of each."""


def means(values: Floats) -> Grouped:
    """Means of row values, by group."""

    def grouped(codes: Codes, count: int) -> Groups:
        kept = codes >= 0
        rows = np.bincount(codes[kept], minlength=count)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.bincount(codes[kept], values[kept], count) / rows
            squares = np.bincount(codes[kept], (values[kept] - mean[codes[kept]]) ** 2, count)
            return Groups(mean, np.sqrt(squares / (rows - 1) / rows), rows)

    return grouped


def areas(y: npt.NDArray[Any], score: Floats) -> Grouped:
    """Areas under the curve by group, with the standard errors of DeLong, DeLong and Clarke-Pearson (1988)."""
    distinct, place = np.unique(score, return_inverse=True)
    yes = y == 1

    def grouped(codes: Codes, count: int) -> Groups:
        kept = codes >= 0
        cells, cell = np.unique(codes[kept] * len(distinct) + place[kept], return_inverse=True)
        group = cells // max(len(distinct), 1)
        pos = np.bincount(cell, yes[kept], len(cells)).astype(np.float64)
        neg = np.bincount(cell, ~yes[kept], len(cells)).astype(np.float64)
        positives, negatives = _totals(group, pos, count), _totals(group, neg, count)
        with np.errstate(divide="ignore", invalid="ignore"):
            outranked = (_before(neg, group, count) + neg / 2) / negatives[group]
            outranking = 1 - (_before(pos, group, count) + pos / 2) / positives[group]
            area = np.bincount(group, pos * outranked, count) / positives
            spread = _spread(pos, outranked, area[group], group, positives)
            spread = spread + _spread(neg, outranking, area[group], group, negatives)
        return Groups(area, np.sqrt(spread), np.bincount(codes[kept], minlength=count))

    return grouped


def _totals(group: Codes, amount: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(group, amount, count), dtype=np.float64)


def _before(amount: Floats, group: Codes, count: int) -> Floats:
    """How much there is in the cells of the same group before each cell."""
    before = np.cumsum(amount) - amount
    total = _totals(group, amount, count)
    return np.asarray(before - (np.cumsum(total) - total)[group], dtype=np.float64)


def _spread(weight: Floats, placed: Floats, middle: Floats, group: Codes, total: Floats) -> Floats:
    squares = np.bincount(group, weight * (placed - middle) ** 2, len(total))
    return np.asarray(squares / (total - 1) / total, dtype=np.float64)
