"""The mean of bounded values with an interval that holds however often one looks, and whenever one stops.

Bets are made against each candidate mean (Waudby-Smith and Ramdas, 2023): who bets that values lie above it multiplies
a capital that cannot grow if they do not, so a mean against which it grew fortyfold is left out. Each stake is set
before its hour is seen, from the variance so far, for five horizons at once whose capitals are averaged; capitals of
several series about one mean are averaged too. Rows of one hour or day are not independent: evidence is raised to the
power of one over the design effect, measured on the hours before. That is calibrated and not proven.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
        table = _Table.of(series.hours[new], series.values[new] / series.bound)
        known = _Seen() if new.all() else _seen(_Table.of(series.hours[~new], series.values[~new] / series.bound)).last
        before = _seen(table, known).before
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


@dataclass(frozen=True, eq=False)
class _Table:
    """Values between 0 and 1, equal ones of an hour together: how many, and the place of their hour among the hours."""

    values: Floats
    counts: Ints
    of_hour: Ints
    hours: Ints

    @classmethod
    def of(cls, hours: Ints, values: Floats) -> "_Table":
        values = np.clip((values + 1) / 2, 0.0, 1.0)
        order = np.lexsort((values, hours))
        hours, values = hours[order], values[order]
        starts = np.flatnonzero(np.r_[True, (hours[1:] != hours[:-1]) | (values[1:] != values[:-1])])
        names, of = np.unique(hours[starts], return_inverse=True)
        return cls(values[starts], np.diff(np.r_[starts, len(values)]), of, names)


@dataclass(frozen=True, eq=False)
class _Seen:
    """How values were seen to vary: before each hour, and last after all. Effects stand with what they weigh."""

    spread: Any = 0.0
    rows: Any = 0.0
    hourly: tuple[Any, Any] = (_EFFECT, _BELIEVED)
    daily: tuple[Any, Any] = (_EFFECT, _BELIEVED)

    @property
    def variance(self) -> Floats:
        return np.asarray((self.spread + 0.25) / (self.rows + 1), np.float64)

    @property
    def effect(self) -> Floats:
        return np.asarray(np.maximum(np.maximum(self.hourly[0], self.daily[0]), 1.0), np.float64)

    @property
    def before(self) -> "_Seen":
        return self._cut(slice(-1))

    @property
    def last(self) -> "_Seen":
        return self._cut(-1)

    def _cut(self, at: int | slice) -> "_Seen":
        hourly, daily = ((effect[at], weight[at]) for effect, weight in (self.hourly, self.daily))
        return _Seen(self.spread[at], self.rows[at], hourly, daily)


def _seen(table: _Table, known: _Seen | None = None) -> _Seen:
    """What each hour can go by: a time before that is known by itself, since a step after it is no variation."""
    known = known or _Seen()
    rows = np.bincount(table.of_hour, table.counts).astype(np.float64)
    sums = np.bincount(table.of_hour, table.counts * table.values).astype(np.float64)
    squares = np.bincount(table.of_hour, table.counts * table.values**2)
    n, total, square = (np.r_[0.0, np.cumsum(part)] for part in (rows, sums, squares))
    spread = np.maximum(square - np.divide(total**2, n, out=np.zeros_like(n), where=n > 0), 0.0)
    within = np.divide(spread, n, out=np.zeros_like(n), where=n > 0)
    hourly = _effect(table.hours, rows, sums, (within, known.hourly))
    daily = _effect(table.hours // _DAY, rows, sums, (within, known.daily))
    return _Seen(known.spread + spread, known.rows + n, hourly, daily)


def _effect(names: Ints, rows: Floats, sums: Floats, by: tuple[Floats, tuple[float, float]]) -> tuple[Floats, Floats]:
    """How much more the means of blocks vary than those of independent rows would, by the whole blocks before."""
    within, (believed, weight) = by
    blocks, of = np.unique(names, return_inverse=True)
    here = np.r_[of, len(blocks)]
    size, whole = np.bincount(of, rows), np.bincount(of, sums)
    between, counted, summed = (np.r_[0.0, np.cumsum(part)][here] for part in (whole**2 / size, size, whole))
    apart = np.maximum(between - np.divide(summed**2, counted, out=np.zeros_like(counted), where=counted > 0), 0.0)
    number = np.maximum(here - 1, 0).astype(np.float64)
    ratio = np.divide(apart, within, out=number.copy(), where=within > 0)
    return (weight * believed + ratio) / (weight + number), weight + number
