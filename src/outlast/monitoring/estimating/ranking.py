"""How well scores rank, from the counts of their cells."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.data.past import Sample
from outlast.monitoring.estimating.curves import ORDER
from outlast.monitoring.estimating.figure import Figure
from outlast.monitoring.estimating.widening import Z

Floats = npt.NDArray[np.float64]
DOUBTED = 0.3
"""The part of a correction for shift by which it may be wrong: what moved within a cell is not seen."""
_FEW = 100.0
"""A cell's own ranking is heard as far as its pairs of a yes and a no outnumber these."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Score cells in order: the share of rows, the chance of yes with its variance, and the chance before the sample
    was weighed."""

    shares: Floats
    chance: Floats
    variance: Floats
    before: Floats


def auc_of(sample: Sample, weights: Floats, ranked: Ranked, *, rows: int, factor: float) -> Figure:
    """The chance that a yes has a greater score than a no; within a cell as in the weighted sample."""
    shares, chance = ranked.shares, ranked.chance
    within = _within(sample, weights)
    value = _auc(shares, chance, within)
    steps = 1e-4
    slopes = np.array([(_auc(shares, chance + steps * one, within) - value) / steps for one in np.eye(len(chance))])
    rate = float(np.clip(shares @ chance, 1e-6, 1 - 1e-6))
    spread = float((slopes**2 * ranked.variance).sum()) + _luck(value, rows * rate, rows * (1 - rate))
    plain = _auc(shares, ranked.before, _within(sample, np.ones_like(weights)))
    half = factor * (Z * float(np.sqrt(spread)) + DOUBTED * abs(value - plain))
    return Figure(value, max(0.0, value - half), min(1.0, value + half))


def _auc(shares: Floats, chance: Floats, within: Floats) -> float:
    yes, no = shares * chance, shares * (1 - chance)
    below = np.cumsum(no) - no
    pairs = yes.sum() * no.sum()
    return float((yes @ below + (yes * no) @ within) / pairs) if pairs > 0 else 0.5


def _within(sample: Sample, weights: Floats) -> Floats:
    """By cell in order: how often a yes of the sample has a greater score than a no of the same cell."""
    found = np.full(len(ORDER), 0.5)
    for place, cell in enumerate(ORDER):
        chosen = sample.score_cells == cell
        scores, yes, weight = sample.scores[chosen], sample.sides[chosen] == 1, weights[chosen]
        pairs = float(weight[yes].sum()) * float(weight[~yes].sum())
        if not pairs:
            continue
        order = np.argsort(scores[~yes], kind="stable")
        no, below = scores[~yes][order], np.concatenate([[0.0], np.cumsum(weight[~yes][order])])
        least, most = (below[np.searchsorted(no, scores[yes], side=side)] for side in ("left", "right"))
        greater = float((weight[yes] * (least + most)).sum()) / 2 / pairs
        found[place] = (greater * pairs + 0.5 * _FEW) / (pairs + _FEW)
    return found


def _luck(value: float, yes: float, no: float) -> float:
    """The variance of a measured AUC by the rows it is measured on (Hanley and McNeil)."""
    if yes < 1 or no < 1:
        return 0.25
    one, other = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (yes - 1) * (one - value**2) + (no - 1) * (other - value**2)
    return max(0.0, spread) / (yes * no)
