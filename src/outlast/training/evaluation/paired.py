"""Two models on the same rows: how far apart they are, and how sure one may be of it.

Rows of one day are not independent: where a storm makes many flights late, all of them speak for one model or all
against it. So days are drawn, not rows: each day's rows get one weight from Poisson(1), 200 seeded times, and the
spread of those draws gives the interval by Student's distribution with one degree of freedom fewer than there are days
(Cameron, Gelbach and Miller, 2008, on few clusters). Where the rows cover fewer days than `FEWEST` it is hours, and
rows where questions have no time.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.training.evaluation.metrics import DRAWS, Metric, better, metrics_of
from outlast.types import Task

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
FEWEST = 8
"""Blocks below which finer ones are taken: with fewer, an interval says next to nothing."""
_UNITS = (("day", 86_400_000_000), ("hour", 3_600_000_000))
_TAIL = 0.025


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which rows stand or fall together: a code per row, and what a block is."""

    of: Codes
    unit: str

    @property
    def count(self) -> int:
        return len(np.unique(self.of))

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Blocks":
        """The blocks of some of the rows."""
        return Blocks(self.of[chosen], self.unit)


@dataclass(frozen=True)
class Difference:
    """How much better the one is than the other: greater is better, whatever the metric."""

    value: float
    low: float
    high: float
    error: float
    rows: int
    blocks: int

    def plain(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    def chance_below(self, edge: float) -> float:
        """The one-sided p-value against the difference being `edge` or more: small when it is surely below."""
        from scipy.special import stdtr

        if self.error == 0.0:
            return 1.0 if self.value >= edge else 0.0
        return float(stdtr(self.blocks - 1, (self.value - edge) / self.error))


def blocks_of(at: npt.NDArray[np.int64]) -> Blocks:
    """The blocks of rows by their moments, in microseconds."""
    for unit, length in _UNITS:
        _, codes = np.unique(at // length, return_inverse=True)
        if codes.max(initial=-1) + 1 >= FEWEST:
            return Blocks(codes, unit)
    return Blocks(np.arange(len(at)), "row")


def difference(gain: Metric, blocks: Blocks, seed: int) -> Difference | None:
    """A figure of two models on all rows, with its interval; None where it is not defined or one block has all."""
    from scipy.special import stdtrit

    names, codes = np.unique(blocks.of, return_inverse=True)
    value, count = gain(np.ones(len(codes))), len(names)
    if value is None or count < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = [gain(rng.poisson(1.0, count).astype(np.float64)[codes]) for _ in range(DRAWS)]
    known = np.array([one for one in drawn if one is not None])
    if len(known) < DRAWS / 2:
        return None
    error = float(known.std(ddof=1)) * (count / (count - 1)) ** 0.5
    half = float(-stdtrit(count - 1, _TAIL)) * error
    return Difference(float(value), float(value) - half, float(value) + half, error, len(codes), count)


def gain_in(name: str, task: Task, y: npt.NDArray[Any], ours: Floats, theirs: Floats) -> Metric:
    """By how much our scores are better than theirs in a metric, as a function of row weights."""
    one, other = metrics_of(task, y, ours)[name], metrics_of(task, y, theirs)[name]
    sign = 1.0 if better(name, 1.0, 0.0) else -1.0

    def gain(weights: Floats) -> float | None:
        pair = one(weights), other(weights)
        return None if pair[0] is None or pair[1] is None else sign * (pair[0] - pair[1]) + 0.0  # no -0

    return gain


def mean_gain(ours: Floats, theirs: Floats) -> Metric:
    """By how much our worth is greater than theirs on average, as a function of row weights."""
    apart = ours - theirs

    def gain(weights: Floats) -> float | None:
        total = weights.sum()
        return float(apart @ weights / total) if total else None

    return gain


def holm(chances: Sequence[float]) -> list[float]:
    """P-values adjusted for how many there are, in the same order (Holm, 1979).

    >>> holm([0.04, 0.01, 0.03])
    [0.06, 0.03, 0.06]
    """
    adjusted, highest = [0.0] * len(chances), 0.0
    for place, index in enumerate(sorted(range(len(chances)), key=lambda one: chances[one])):
        highest = max(highest, min(1.0, (len(chances) - place) * chances[index]))
        adjusted[index] = highest
    return adjusted
