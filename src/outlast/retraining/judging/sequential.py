"""The mean of bounded values with an interval that holds however often one looks, and whenever one stops.

Bets are made against each candidate mean (Waudby-Smith and Ramdas, 2023): who bets that values lie above it multiplies
a capital that cannot grow if they do not, so a mean against which it grew fortyfold is left out. Each stake is set
before its hour is seen, from the variance so far, for five horizons at once whose capitals are averaged; capitals of
several series about one mean are averaged too. Rows of one hour or day are not independent: evidence is raised to the
power of one over the design effect, measured on the hours before. That is calibrated and not proven.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.retraining.judging.told import Mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALPHA = 0.05
"""The chance that the interval ever leaves the mean out, half of it at either end."""
_CAP = 0.9
_HORIZONS = np.array([1e2, 1e3, 1e4, 1e5, 1e6])
"""Rows for which a stake is best; the best of them is not known before, and their average loses little against it."""
_EFFECT, _BELIEVED = 2.0, 8.0
"""The design effect before any is measured, and how many hours it counts for."""
_STEPS = 24
_DAY = 24


@dataclass(frozen=True, eq=False)
class Series:
    """Values between -bound and bound, each with the hour it belongs to, counted from 1970."""

    hours: Ints
    values: Floats
    bound: float

    @property
    def rows(self) -> int:
        return len(self.values)


def mean_of(series: Sequence[Series], alpha: float = ALPHA) -> Mean | None:
    """The mean that all the series are about; None where none has a row."""
    known = [_Bets(one, alpha) for one in series if one.rows]
    if not known:
        return None
    edge, reach = np.log(2.0 / alpha), min(one.bound for one in known)

    def capital(mean: float, sign: float) -> float:
        return float(np.logaddexp.reduce([one.capital(mean, sign) for one in known]) - np.log(len(known)))

    rows = sum(one.rows for one in known)
    best = max(known, key=lambda one: one.certainty)
    low = _last(lambda mean: capital(mean, 1.0) >= edge, -reach, reach)
    high = -_last(lambda mean: capital(-mean, -1.0) >= edge, -reach, reach)
    return Mean(best.mean, min(low, best.mean), max(high, best.mean), rows, best.effect)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The greatest value of which something holds that holds of all below it; the lowest where it holds of none."""
    if not holds(low):
        return low
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


class _Bets:
    """The stakes of one series: made hour by hour, each from the hours before."""

    def __init__(self, series: Series, alpha: float) -> None:
        self.bound, self.rows = series.bound, series.rows
        self.mean = float(series.values.mean())
        values = np.clip((series.values / series.bound + 1) / 2, 0.0, 1.0)
        order = np.lexsort((values, series.hours))
        hours, values = series.hours[order], values[order]
        new = np.r_[True, (hours[1:] != hours[:-1]) | (values[1:] != values[:-1])]
        starts = np.flatnonzero(new)
        self._values, counts = values[starts], np.diff(np.r_[starts, len(values)])
        names, of = np.unique(hours[starts], return_inverse=True)
        effects, variances = _seen_before(names, of, self._values, counts)
        self.effect = float(effects[-1])
        self.certainty = self.rows / (float(variances[-1]) * self.effect * series.bound**2)
        stakes = np.sqrt(2 * np.log(2 / alpha) / (variances * effects)[:, None] / _HORIZONS)
        self._stakes = np.minimum(stakes, _CAP)[of]
        self._weights = counts / effects[of]

    def capital(self, mean: float, sign: float) -> float:
        """The logarithm of what betting above a mean (or, with sign -1, below it) has made of one."""
        place = min(max((mean / self.bound + 1) / 2, 0.0), 1.0)
        growth = self._weights @ np.log1p(self._stakes * (sign * (self._values - place))[:, None])
        return float(np.logaddexp.reduce(growth) - np.log(len(_HORIZONS)))


def _seen_before(hours: Ints, of: Ints, values: Floats, counts: Ints) -> tuple[Floats, Floats]:
    """For each hour the design effect and the variance of all before it; the first knows nothing."""
    rows = np.bincount(of, counts).astype(np.float64)
    sums = np.bincount(of, counts * values).astype(np.float64)
    squares = np.bincount(of, counts * values**2)
    before = [np.r_[0.0, np.cumsum(part)[:-1]] for part in (rows, sums, squares)]
    n, total, square = before
    spread = np.maximum(square - np.divide(total**2, n, out=np.zeros_like(n), where=n > 0), 0.0)
    variances = (spread + 0.25) / (n + 1)
    within = np.divide(spread, n, out=np.zeros_like(n), where=n > 0)
    days = hours // _DAY
    effects = np.maximum(_effect(hours, rows, sums, within), _effect(days, rows, sums, within))
    return np.maximum(effects, 1.0), variances


def _effect(names: Ints, rows: Floats, sums: Floats, within: Floats) -> Floats:
    """How much more the means of blocks vary than those of independent rows would, by the whole blocks before."""
    _, of = np.unique(names, return_inverse=True)
    size, whole = np.bincount(of, rows), np.bincount(of, sums)
    between = np.r_[0.0, np.cumsum(whole**2 / size)[:-1]][of]
    counted = np.r_[0.0, np.cumsum(size)[:-1]][of]
    summed = np.r_[0.0, np.cumsum(whole)[:-1]][of]
    apart = np.maximum(between - np.divide(summed**2, counted, out=np.zeros_like(counted), where=counted > 0), 0.0)
    number = np.maximum(of - 1, 0).astype(np.float64)
    ratio = np.divide(apart, within, out=number.copy(), where=within > 0)
    found: Floats = (_BELIEVED * _EFFECT + ratio) / (_BELIEVED + number)
    return found
