"""Faults of data that counts show: columns that are missing, strange, stuck or in another unit, and their source."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, MISSING, UNSEEN
from outlast.monitoring.causes.case import Case
from outlast.monitoring.causes.onsets import SLACK
from outlast.monitoring.causes.units import Conversion, conversion_of
from outlast.monitoring.estimating.ratio import distance

Ints = npt.NDArray[np.int64]

_LEAST = 0.02
"""The share of rows by which a rate has to rise."""
_STUCK = 0.95
_MOVED = 6.0
"""A column has moved when its counts are so many standard deviations from the reference's."""
_TOGETHER = 0.5
"""The part of a source's columns that has to be at fault for the source to be."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with columns: what, in which cells of the first of them, and in which share of the rows."""

    columns: tuple[str, ...]
    source: str | None
    what: str
    cells: tuple[int, ...]
    share: float
    since: datetime | None = None

    @property
    def is_feed(self) -> bool:
        """Whether it is the whole source's and not one column's."""
        return len(self.columns) > 1


def column_faults(case: Case) -> list[Fault]:
    """Every column at fault by itself."""
    known = case.past.totals.by_cell[..., 0]
    onsets = {one.stream: one.since for one in case.onsets}
    found = []
    for bins, before, now in zip(case.bins, known, case.live.cells, strict=True):
        unit = conversion_of(bins, now)
        if unit is None and bins.name in case.lately:
            unit = conversion_of(bins, now, case.lately[bins.name])
        fault = _fault(unit, before, now, case.live.effect)
        if fault is not None:
            what, cells, share = fault
            source = case.sources.get(bins.name)
            found.append(Fault((bins.name,), source, what, cells, share, onsets.get(bins.name)))
    return found


def source_faults(faults: Iterable[Fault], sources: Mapping[str, str], moved: Iterable[str] = ()) -> list[Fault]:
    """Faults of several columns of one source that began together become one of the source; others stay.

    A column of it that has moved, and no more, is counted with them where one of them is at fault.
    """
    found: list[Fault] = []
    given, also = list(faults), set(moved)
    for source in dict.fromkeys(fault.source for fault in given):
        mine = [fault for fault in given if fault.source == source]
        columns = [name for name, one in sources.items() if one == source]
        with_them = [name for name in columns if name in also and all(name not in one.columns for one in mine)]
        bad = len(mine) + len(with_them)
        if source is None or bad < 2 or bad < _TOGETHER * len(columns) or not _together(mine):
            found += mine
            continue
        worst = max(mine, key=lambda one: one.share)
        names = (*worst.columns, *(name for one in mine if one is not worst for name in one.columns), *with_them)
        begun = min((one.since for one in mine if one.since is not None), default=None)
        found.append(Fault(names, source, worst.what, worst.cells, worst.share, begun))
    return found


def distances(case: Case) -> dict[str, float]:
    """How far each column is from the reference, in standard deviations of chance."""
    known = case.past.usual.cells.sum(axis=0)
    pairs = zip(case.bins, known, case.live.cells, strict=True)
    return {bins.name: distance(before, now, case.live.effect) for bins, before, now in pairs}


def moved_columns(case: Case) -> list[str]:
    """Columns that have moved, furthest first."""
    far = distances(case)
    return sorted((name for name, one in far.items() if one > _MOVED), key=lambda name: -far[name])


def _together(faults: list[Fault]) -> bool:
    known = [one.since for one in faults if one.since is not None]
    return not known or max(known) - min(known) <= SLACK


def _fault(
    conversion: Conversion | None, before: Ints, now: Ints, effect: float
) -> tuple[str, tuple[int, ...], float] | None:
    total = now.sum()
    if before.sum() == 0 or total == 0:
        return None
    usual, shares = before / before.sum(), now / total
    if conversion is not None:
        return f"looks like {conversion.says}", tuple(range(20)), 1.0
    for cells, word in (((MISSING,), "missing"), ((UNSEEN,), "never seen in training")):
        rise = _rise(usual, shares, cells, total / effect)
        if rise > 0:
            return _said(word, shares, usual, cells), cells, rise
    stuck = int(shares.argmax())
    if shares[stuck] >= _STUCK and usual[stuck] < 0.5:
        return "stuck at nearly one value", (stuck,), float(shares[stuck] - usual[stuck])
    outside = (BELOW, ABOVE)
    rise = _rise(usual, shares, outside, total / effect)
    return (_said("outside of the range of training", shares, usual, outside), outside, rise) if rise > 0 else None


def _rise(
    usual: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], cells: tuple[int, ...], rows: float
) -> float:
    """By how much a share has risen, where that is neither little nor luck."""
    before, now = float(usual[list(cells)].sum()), float(shares[list(cells)].sum())
    chance = 5 * float(np.sqrt(max(before * (1 - before), 1 / max(rows, 1)) / max(rows, 1)))
    return now - before if now - before > max(_LEAST, 0.5 * before, chance) else 0.0


def _said(word: str, shares: npt.NDArray[np.float64], usual: npt.NDArray[np.float64], cells: tuple[int, ...]) -> str:
    return f"{word} in {shares[list(cells)].sum():.1%} of the rows; in training in {usual[list(cells)].sum():.1%}"
