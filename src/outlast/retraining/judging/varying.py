"""How much values vary, and how much more by whole hours and days than independent ones would, by those seen before."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DAY = 24


@dataclass(frozen=True, eq=False)
class Table:
    """Values between 0 and 1, equal ones of an hour together: how many, and the place of their hour among the hours."""

    values: Floats
    counts: Ints
    of_hour: Ints
    hours: Ints

    @classmethod
    def of(cls, hours: Ints, values: Floats) -> "Table":
        values = np.clip((values + 1) / 2, 0.0, 1.0)
        order = np.lexsort((values, hours))
        hours, values = hours[order], values[order]
        new = np.r_[True, (hours[1:] != hours[:-1]) | (values[1:] != values[:-1])]
        starts = np.flatnonzero(new[: len(hours)])
        names, of = np.unique(hours[starts], return_inverse=True)
        return cls(values[starts], np.diff(np.r_[starts, len(values)]), of, names)


@dataclass(frozen=True, eq=False)
class Seen:
    """How values were seen to vary: before each hour, and last after all. Effects stand with what they weigh."""

    spread: Floats
    rows: Floats
    hourly: tuple[Floats, Floats]
    daily: tuple[Floats, Floats]

    @property
    def variance(self) -> Floats:
        return np.asarray((self.spread + 0.25) / (self.rows + 1), np.float64)

    @property
    def effect(self) -> Floats:
        return np.asarray(np.maximum(np.maximum(self.hourly[0], self.daily[0]), 1.0), np.float64)

    @property
    def before(self) -> "Seen":
        return self._cut(slice(-1))

    @property
    def last(self) -> "Seen":
        return self._cut(slice(-1, None))

    def _cut(self, at: slice) -> "Seen":
        hourly, daily = ((effect[at], weight[at]) for effect, weight in (self.hourly, self.daily))
        return Seen(self.spread[at], self.rows[at], hourly, daily)


_BEGIN = (np.array([2.0]), np.array([8.0]))
"""The design effect before any is measured, and how many blocks it counts for."""
_NOTHING = Seen(np.zeros(1), np.zeros(1), _BEGIN, _BEGIN)


def seen(table: Table, known: Seen = _NOTHING) -> Seen:
    """What each hour can go by: a time before that is known by itself, since a step after it is no variation."""
    rows = np.bincount(table.of_hour, table.counts).astype(np.float64)
    sums = np.bincount(table.of_hour, table.counts * table.values).astype(np.float64)
    squares = np.bincount(table.of_hour, table.counts * table.values**2)
    n, total, square = (np.r_[0.0, np.cumsum(part)] for part in (rows, sums, squares))
    spread = np.maximum(square - np.divide(total**2, n, out=np.zeros_like(n), where=n > 0), 0.0)
    within = np.divide(spread, n, out=np.zeros_like(n), where=n > 0)
    hourly = _effect(table.hours, rows, sums, (within, known.hourly))
    daily = _effect(table.hours // _DAY, rows, sums, (within, known.daily))
    return Seen(known.spread + spread, known.rows + n, hourly, daily)


def _effect(names: Ints, rows: Floats, sums: Floats, by: tuple[Floats, tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
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
