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

from outlast.retraining.judging.told import Mean
from outlast.retraining.judging.varying import Floats, Ints, Table, seen

ALPHA = 0.05
"""The chance that the interval ever leaves the mean out, half of it at either end."""
_CAP = 0.9
_HORIZONS = np.array([1e2, 1e3, 1e4, 1e5, 1e6])
"""Rows for which a stake is best; the best of them is not known before, and their average loses little against it."""
_STEPS = 24


@dataclass(frozen=True, eq=False)
class Series:
    """Values between -bound and bound, each with the hour it belongs to, counted from 1970.

    `since` is the first hour that is bet on, where there are earlier ones: these only teach how values vary.
    """

    hours: Ints
    values: Floats
    bound: float
    since: int | None = None

    @property
    def rows(self) -> int:
        """How many values are bet on."""
        return len(self.values) if self.since is None else int((self.hours >= self.since).sum())

    def after(self, earlier: "Series") -> "Series":
        """The same, with what earlier hours taught."""
        if not len(self.values):
            return self
        since = int(self.hours.min())
        old = earlier.hours < since
        hours, values = np.r_[earlier.hours[old], self.hours], np.r_[earlier.values[old], self.values]
        return Series(hours, values, max(self.bound, earlier.bound), since)


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
        new = np.full(len(series.hours), True) if series.since is None else series.hours >= series.since
        self.mean = float(series.values[new].mean())
        old, table = (Table.of(series.hours[rows], series.values[rows] / series.bound) for rows in (~new, new))
        before = seen(table, seen(old).last).before
        self.effect = float(before.effect[-1])
        self.certainty = self.rows / (float(before.variance[-1]) * self.effect * series.bound**2)
        stakes = np.sqrt(2 * np.log(2 / alpha) / (before.variance * before.effect)[:, None] / _HORIZONS)
        self._stakes = np.minimum(stakes, _CAP)[table.of_hour]
        self._values, self._weights = table.values, table.counts / before.effect[table.of_hour]

    def capital(self, mean: float, sign: float) -> float:
        """The logarithm of what betting above a mean (or, with sign -1, below it) has made of one."""
        place = min(max((mean / self.bound + 1) / 2, 0.0), 1.0)
        growth = self._weights @ np.log1p(self._stakes * (sign * (self._values - place))[:, None])
        return float(np.logaddexp.reduce(growth) - np.log(len(_HORIZONS)))
