"""The rows that carry a change: a cell of a feature, a word that was declared, a pair of cells, or a leaf of the harm
tree."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.monitoring.causes.case import Case
from outlast.monitoring.causes.split import usual_loss
from outlast.monitoring.causes.words import rows_where

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CLEAR = 4.0
"""Standard deviations by which rows have to lose more than the others."""
_FEW = 30
_SIMPLER = 0.9
"""A cell is told before a word, that before a pair, and a pair before a leaf, where it tells nearly as much."""


@dataclass(frozen=True)
class Slice:
    """Rows that lose more than they did, by more than the others: in words, their share of rows and of the change."""

    says: str
    rows: float
    carries: float
    clear: float


def worst_slice(case: Case) -> Slice | None:
    """The rows that stand out most; None where all rows are alike or too few have labels."""
    found: list[Slice] = []
    for kind in (_cells(case), _declared(case), _pairs(case), _leaves(case)):
        best = max(kind, key=lambda one: one.clear, default=None)
        if best is not None and best.clear > _CLEAR and all(_SIMPLER * best.clear > one.clear for one in found):
            found.append(best)
    return found[-1] if found else None


def _cells(case: Case) -> list[Slice]:
    if case.found is None:
        return []
    before = case.past.totals.by_cell
    found = []
    for index, bins in enumerate(case.bins):
        total = (before[index].sum(axis=0), case.found[index].sum(axis=0))
        for cell in np.flatnonzero(case.found[index, :, 0] >= _FEW).tolist():
            one = _stands_out(before[index, cell], case.found[index, cell], total)
            found.append(Slice(rows_where(bins, [cell]), *one))
    return found


def _declared(case: Case) -> list[Slice]:
    if case.declared is None:
        return []
    total = (case.past.totals.by_leaf.sum(axis=(0, 1)), case.graded.sum(axis=(0, 1)))
    return [
        Slice(f"{one.column} is '{one.word}'", *_stands_out(before, now, total))
        for one, before, now in zip(case.past.declared.words, case.past.declared.totals, case.declared, strict=True)
        if now[0] >= _FEW
    ]


def _pairs(case: Case) -> list[Slice]:
    if case.pairs is None or case.found is None or not len(case.pairs):
        return []
    total = (case.past.totals.by_cell[0].sum(axis=0), case.found[0].sum(axis=0))
    found = []
    for place, (one, cell, other, there) in enumerate(case.past.pairs.cells):
        if case.pairs[place, 0] >= _FEW:
            says = f"{rows_where(case.bins[one], [cell])} and {rows_where(case.bins[other], [there])}"
            found.append(Slice(says, *_stands_out(case.past.totals.by_pair[place], case.pairs[place], total)))
    return found


def _leaves(case: Case) -> list[Slice]:
    before, now = case.past.totals.by_leaf, case.graded
    usual = usual_loss(before)
    expected = (now[..., 0] * usual).sum(axis=1)
    total = (before.sum(axis=(0, 1)), now.sum(axis=(0, 1)))
    found = []
    for leaf in np.flatnonzero(now[..., 0].sum(axis=1) >= _FEW).tolist():
        mine = now[leaf].sum(axis=0)
        as_before = np.array([mine[0], 1000 * expected[leaf]])
        one = _stands_out(as_before, mine, total)
        ways = [rows_where(case.bins[feature], cells) for feature, cells in case.past.tree.way(leaf)]
        found.append(Slice(" and ".join(ways) or "all rows", *one))
    return found


def _stands_out(before: Ints | Floats, now: Ints, total: tuple[Ints, Ints]) -> tuple[float, float, float]:
    """The share of rows, the part of the excess, and how clearly the excess here is above that of the other rows."""
    everything, all_now = (np.asarray(one, np.float64) for one in total)
    rows, lost = float(now[0]), now[1] / 1000
    usual = before[1] / 1000 / before[0] if before[0] else everything[1] / 1000 / everything[0]
    excess = lost - rows * usual
    other_rows = all_now[0] - rows
    whole = all_now[1] / 1000 - all_now[0] * everything[1] / 1000 / everything[0]
    outside = (whole - excess) / other_rows if other_rows > 0 else 0.0
    mean = min(0.999, max(lost / rows, usual, 0.001))
    error = float(np.sqrt(mean * (1 - mean) * (1 / rows + 1 / max(1.0, float(before[0]))) + 1e-12))
    part = excess / whole if whole > 0 else 0.0
    return rows / all_now[0], float(part), float((excess / rows - outside) / error)
