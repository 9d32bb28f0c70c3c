"""What is expected of each score cell: the chance of its outcome, and the loss that each outcome brings."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.data.past import Past
from outlast.data.profile import ABOVE, BELOW, BINS, CELLS
from outlast.monitoring.estimating.live import Matured

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ORDER = (BELOW, *range(BINS), ABOVE)
"""Score cells by rising score."""
_AS_MANY = 1_000
"""A cell's reference counts as no more rows than this beside live labels, so that these are heard."""
_SHRUNK = 20.0


@dataclass(frozen=True, eq=False)
class Curve:
    """By score cell: the chance that side 1 turns out, the rows it rests on, and the loss of either side [cell, 2]."""

    chance: Floats
    rows: Floats
    loss: Floats

    @property
    def expected(self) -> Floats:
        """The loss that is expected of each cell."""
        return np.asarray((1 - self.chance) * self.loss[:, 0] + self.chance * self.loss[:, 1], np.float64)

    @property
    def turns(self) -> Floats:
        """By how much side 1 loses more than side 0."""
        return np.asarray(self.loss[:, 1] - self.loss[:, 0], np.float64)

    @property
    def stake(self) -> Floats:
        """By how much the two sides differ."""
        return np.asarray(np.abs(self.turns), np.float64)


def curve_of(past: Past, matured: Matured) -> Curve:
    """The chance of each score cell by the reference and by the labels that have come since, rising with the score."""
    reference = past.totals.by_outcome[..., 0].astype(np.float64)
    live = matured.outcomes.astype(np.float64)
    rows = reference.sum(axis=1)
    kept = np.minimum(rows, _AS_MANY) if live.sum() else rows
    yes = live[:, 1] + np.divide(reference[:, 1] * kept, rows, out=np.zeros(CELLS), where=rows > 0)
    total = live.sum(axis=1) + kept
    return Curve(_rising(yes, total), total, _losses(past))


def table_of(past: Past, matured: Matured) -> Floats:
    """The loss that is expected of each leaf and score cell, by the reference and labels since; few rows are shrunk."""
    both = (past.totals.by_leaf + matured.mills).astype(np.float64)
    rows, mills = both[..., 0], both[..., 1] / 1000
    mean = mills.sum() / max(1.0, rows.sum())
    by_score = (mills.sum(axis=0) + _SHRUNK * mean) / (rows.sum(axis=0) + _SHRUNK)
    return np.asarray((mills + _SHRUNK * by_score) / (rows + _SHRUNK), np.float64)


def _rising(yes: Floats, rows: Floats) -> Floats:
    """Shares that do not fall with the score; a cell without rows has its neighbour's."""
    from scipy.optimize import isotonic_regression

    found = np.full(CELLS, yes.sum() / max(1.0, rows.sum()))
    there = [cell for cell in ORDER if rows[cell] > 0]
    if there:
        shares = yes[there] / rows[there]
        found[there] = isotonic_regression(shares, weights=rows[there]).x
        places = np.array([ORDER.index(cell) for cell in there])
        for place, cell in enumerate(ORDER):
            found[cell] = found[there[int(np.abs(places - place).argmin())]]
    for cell in set(range(CELLS)) - set(ORDER):
        found[cell] = yes[cell] / rows[cell] if rows[cell] else found[cell]
    return found


def _losses(past: Past) -> Floats:
    """The mean loss by score cell and side; where the reference has none, that of the nearest cell with some."""
    rows, mills = (past.totals.by_outcome[..., part].astype(np.float64) for part in (0, 1))
    found = np.zeros((CELLS, 2))
    for side in (0, 1):
        there = [place for place, cell in enumerate(ORDER) if rows[cell, side] > 0]
        mean = mills[:, side].sum() / max(1.0, rows[:, side].sum()) / 1000
        found[:, side] = mean
        for place, cell in enumerate(ORDER):
            near = min(there, key=lambda one: (abs(one - place), one), default=None)
            if near is not None:
                other = ORDER[near]
                found[cell, side] = mills[other, side] / rows[other, side] / 1000
    return found
