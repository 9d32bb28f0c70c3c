"""Means with intervals that believe in days: rows of one day share weather, campaigns and feeds."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from outlast.monitoring.figures import Figure
from outlast.monitoring.judge import ASSUMED_EFFECT, DAYS

Floats = npt.NDArray[np.float64]
WIDE = 1.96


def by_day(sums: Sequence[float], rows: Sequence[int], variance: float | None) -> Figure:
    """The mean of rows from each day's sum and number of rows, with a 95 % interval.

    From seven days on the days themselves say how far they scatter (the ratio estimator of cluster sampling, Student's
    t); before that ten rows are taken for one independent row, whose variance has to be known.
    """
    n = sum(rows)
    if not n:
        return Figure.missing("no decision has a price yet")
    mean, many = math.fsum(sums) / n, [(s, r) for s, r in zip(sums, rows, strict=True) if r]
    if len(many) >= DAYS:
        from scipy.special import stdtrit  # who only lists versions does not wait for it

        scatter = math.fsum((s - mean * r) ** 2 for s, r in many) * len(many) / (len(many) - 1)
        half = float(stdtrit(len(many) - 1, 0.975)) * math.sqrt(scatter) / n
        return Figure(mean, n, mean - half, mean + half)
    if variance is None or n < 2:
        return Figure(mean, n)
    half = WIDE * math.sqrt(ASSUMED_EFFECT * variance / n)
    return Figure(mean, n, mean - half, mean + half)


def of_values(values: Floats, days: npt.NDArray[np.int64]) -> Figure:
    """The same from rows: the value of each, and the day that it belongs to."""
    known = ~np.isnan(values)
    values, days = values[known], days[known]
    if not len(values):
        return Figure.missing("no decision of these has a price yet")
    _, places = np.unique(days, return_inverse=True)
    sums, rows = np.bincount(places, values), np.bincount(places)
    variance = float(np.var(values, ddof=1)) if len(values) > 1 else None
    return by_day(sums.tolist(), rows.tolist(), variance)


def difference(one: Figure, other: Figure) -> Figure:
    """One mean less another, of rows that have nothing in common."""
    if one.value is None or other.value is None:
        return Figure.missing(one.reason or other.reason or "nothing to compare with")
    value, n = one.value - other.value, min(one.n, other.n)
    halves = [half_of(figure) for figure in (one, other)]
    if None in halves:
        return Figure(value, n)
    half = math.hypot(*(half or 0.0 for half in halves))
    return Figure(value, n, value - half, value + half)


def half_of(figure: Figure) -> float | None:
    """Half the width of a figure's interval."""
    if figure.low is None or figure.high is None:
        return None
    return (figure.high - figure.low) / 2


def times(figure: Figure, factor: float) -> Figure:
    """A figure and its interval, so many times."""
    if figure.value is None:
        return figure
    low, high = (None if end is None else end * factor for end in (figure.low, figure.high))
    return Figure(figure.value * factor, figure.n, low, high)
