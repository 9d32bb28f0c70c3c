"""How long detectors wait for a cohort's labels, and how many of them were here when it matured.

A cohort, the decisions of one window, whose labels still come when it matures is a mixture that hangs on the lag: quick
outcomes are here, slow ones are not, and a lag that changes looks like outcomes that change. So where labels came
in the last half of the maturity of the cohorts before it, a cohort is put into the checks at three maturities, when a
lag that doubles changes it little. What comes later still counts where it comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.monitoring.counting.arrivals import Arrived, Point
from outlast.monitoring.counting.counts import Ints

TIMES = 3
"""So many maturities a cohort waits whose labels still come at one."""
TOGETHER = 24
"""Cohorts before one whose labels say whether it waits: the last that had any decision."""
STILL, LEAST = 0.01, 100
"""The part of so many decisions whose labels came in the last half of the maturity, from which on it does."""

_MICROSECOND = timedelta(microseconds=1)
_NEVER = -(2**62)


@dataclass(frozen=True)
class Waiting:
    """Of a version: which stretches of decisions wait, in microseconds, and what was seen of the last cohorts.

    Each of `seen` is a cohort's start, its decisions, and those whose label came in the last half of the maturity.
    """

    held: tuple[tuple[int, int], ...] = ()
    seen: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def read(cls, kept: Any) -> "Waiting":
        return cls(*(tuple(tuple(one) for one in kept[name]) for name in ("held", "seen")))

    def plain(self) -> dict[str, Any]:
        return {"held": [list(one) for one in self.held], "seen": [list(one) for one in self.seen]}

    def waits(self, decided: Ints) -> npt.NDArray[np.bool_]:
        """Which decisions wait, by their moments."""
        edges = np.array(self.held, np.int64).reshape(-1)
        return np.asarray(np.searchsorted(edges, decided, side="right") % 2 == 1)

    def due(self, decided: Ints, maturity: timedelta) -> Ints:
        """When detectors are shown what became of decisions."""
        once = maturity // _MICROSECOND
        return np.asarray(decided + np.where(self.waits(decided), TIMES * once, once), np.int64)

    def open(self, since: int, until: int) -> bool:
        """Whether any decision between two moments waits."""
        return any(begin <= until and since < end for begin, end in self.held)

    def after(self, cohorts: Mapping[int, tuple[int, int]], length: int) -> "Waiting":
        """The same with what matured since: decisions of each cohort, and those with a label of the last half."""
        seen = {start: (rows, slow) for start, rows, slow in self.seen}
        held, latest = list(self.held), max(seen, default=_NEVER)
        for start in sorted(cohorts):
            if start > latest:
                if _still_come([*seen.values()][-TOGETHER:]):
                    held = _with(held, (start, start + length))
                seen[start], latest = (0, 0), start
                if len(seen) > TOGETHER + 1:
                    del seen[next(iter(seen))]
            if start in seen:  # of an older one it is decided already whether it waits
                seen[start] = _sum(seen[start], cohorts[start])
        return Waiting(tuple(held), tuple((start, *sums) for start, sums in seen.items()))

    def without(self, until: int) -> "Waiting":
        """The same without stretches that ended before a moment."""
        return replace(self, held=tuple(one for one in self.held if one[1] > until))


def _still_come(before: list[tuple[int, int]]) -> bool:
    rows, slow = (sum(side) for side in zip(*before, strict=True)) if before else (0, 0)
    return rows >= LEAST and slow > STILL * rows


def _with(held: list[tuple[int, int]], one: tuple[int, int]) -> list[tuple[int, int]]:
    if held and held[-1][1] == one[0]:
        return [*held[:-1], (held[-1][0], one[1])]
    return [*held, one]


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def matured(found: Arrived, points: tuple[Point, Point], maturity: timedelta) -> pl.DataFrame:
    """The predictions that matured between two points: when they were `decided`, matured (`due`), and how long their
    first label took (`lag`), if it was here by then."""
    before, after = points
    decided = pl.col("decide_at").dt.epoch("us")
    due = decided + maturity // _MICROSECOND
    rows = found.predictions.with_columns(decided=decided, due=due).filter(
        ~pl.col("taken") & (pl.col("due") <= after.moment) & (pl.col("new") | (pl.col("due") > before.moment))
    )
    came = pl.max_horizontal("at", "known_at")
    first = found.labels.filter(pl.col("known_at") < after.moment).group_by("place").agg(came=came.min())
    lag = pl.col("came") - pl.col("decided")
    here = pl.when(pl.col("came") <= pl.col("due")).then(lag)
    return rows.join(first, on="place", how="left").select("decided", "due", lag=here)


def cohorts_of(rows: pl.DataFrame, maturity: timedelta, length: int) -> dict[int, tuple[int, int]]:
    """By the start of each cohort: its decisions among these, and those whose label came in the last half."""
    slow = (pl.col("lag") > maturity // _MICROSECOND // 2).fill_null(False)
    each = rows.group_by(start=pl.col("decided") // length * length).agg(rows=pl.len(), slow=slow.sum())
    return {start: (rows, slow) for start, rows, slow in each.iter_rows()}
