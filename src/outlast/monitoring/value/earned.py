"""Money of a live model, day by day as labels mature: against the baseline, and against the promise at promotion.

What was earned is a fact and has no interval. The interval tells what other days of the same kind might have earned,
and so whether a difference from the promise is more than chance.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from typing import Any

from outlast.monitoring.counting.sums import Moments
from outlast.monitoring.counting.windows import Window, starts_of
from outlast.monitoring.evidence import design_effect
from outlast.monitoring.figures import Figure
from outlast.monitoring.judge import ASSUMED_EFFECT, DAYS
from outlast.monitoring.value.means import WIDE, by_day, difference, times
from outlast.monitoring.value.told import Day, Money

_DAY = timedelta(days=1)


Promises = Callable[[int], Mapping[str, Any] | None]
"""What the evaluation of a version says of a decision's gain: per_decision, low, high; None where it says nothing."""


def money(windows: Sequence[Window], promises: Promises, currency: str) -> Money:
    """The money of windows, of whichever versions, oldest first."""
    days: list[Day] = []
    gains, values, promised = list[Moments](), list[Moments](), list[tuple[float, float, int]]()
    for start, group in groupby(windows, key=lambda window: starts_of(window.starts_at, _DAY)):
        of_day = list(group)
        gain, value = (_sum([window.counts.moment(name) for window in of_day]) for name in ("gain", "value"))
        gains, values = [*gains, gain], [*values, value]
        due = _due(of_day, promises)
        promised += due or []
        days.append(_day(start, of_day, (gain, value), due, days[-1] if days else None))
    every = [day.promised is not None for day in days if day.priced]
    per_decision = by_day([one.sum for one in gains], [one.n for one in gains], _sum(gains).variance)
    total_value = by_day([one.sum for one in values], [one.n for one in values], _sum(values).variance)
    promise = _promise(promised) if every and all(every) else Figure.missing("a version was not evaluated in money")
    return Money(
        currency, _with_intervals(days, gains), sum(day.answers for day in days), times(total_value, _sum(values).n),
        times(per_decision, _sum(gains).n), per_decision, promise, difference(per_decision, promise),
    )  # fmt: skip


def _day(
    start: datetime,
    windows: Sequence[Window],
    earned: tuple[Moments, Moments],
    due: list[tuple[float, float, int]] | None,
    before: Day | None,
) -> Day:
    gain, value = earned
    promised = None if due is None else sum(per * n for per, _, n in due)
    so_far = (0.0, 0.0) if before is None else (before.total_gain, before.total_promised)
    total = None if promised is None or so_far[1] is None else so_far[1] + promised
    answers = sum(window.counts.rows for window in windows)
    return Day(start, answers, gain.n, value.sum, gain.sum, promised, so_far[0] + gain.sum, total)


def _with_intervals(days: Sequence[Day], gains: Sequence[Moments]) -> tuple[Day, ...]:
    """What chance does to a day: as its rows scatter, and so much more as whole days of this model do."""
    many = [one for one in gains if one.n >= 2]
    effect = ASSUMED_EFFECT
    if len(many) >= DAYS:
        within = math.fsum((one.variance or 0.0) * one.n for one in many) / sum(one.n for one in many)
        effect = design_effect([one.mean or 0.0 for one in many], [one.n for one in many], within)
    found = []
    for day, gain in zip(days, gains, strict=True):
        half = None if gain.error is None else WIDE * gain.error * gain.n * math.sqrt(effect)
        found.append(day if half is None else replace(day, low=gain.sum - half, high=gain.sum + half))
    return tuple(found)


def _due(windows: Sequence[Window], promises: Promises) -> list[tuple[float, float, int]] | None:
    """Of each version: what a decision gains as promised, half the width of that, and how many it made."""
    found = []
    for window in windows:
        n = window.counts.moment("gain").n
        said = promises(window.version)
        if said is None and n:
            return None
        if said is not None and n:
            found.append((said["per_decision"], (said["high"] - said["low"]) / 2, n))
    return found


def _promise(due: Sequence[tuple[float, float, int]]) -> Figure:
    """The promises by how many decisions each was for; one version's errors are the same in all its windows."""
    n = sum(count for _, _, count in due)
    value = sum(per * count for per, _, count in due) / n
    half = sum(half * count for _, half, count in due) / n
    return Figure(value, n, value - half, value + half)


def _sum(moments: Sequence[Moments]) -> Moments:
    return reduce(lambda a, b: a + b, moments, Moments())
