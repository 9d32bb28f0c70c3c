"""Weights that make the kept sample look like what is asked now, found from counts alone.

The ratio of two densities is taken to be log-linear in the cells of every feature that has moved, as a logistic
regression on cells would have it. Its parameters are those at which the weighted sample has the live shares: a convex
problem that needs the live counts and no live row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.data.past import Past, Sample
from outlast.data.profile import CELLS
from outlast.monitoring.alone import one_thread
from outlast.monitoring.estimating.live import Live

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CLIP = 20.0
"""No row of the sample stands for more than so many."""
_MOVED = 3.0
"""A feature is weighed by when its counts are further from the sample's than chance, in standard deviations."""
_STEPS = 60


@dataclass(frozen=True, eq=False)
class Ratio:
    """Weights of the sample's rows, one on average, and what they leave of it."""

    weights: Floats
    effective: float
    moved: tuple[int, ...]
    """The places of the features that were weighed by."""


def ratio(past: Past, live: Live) -> Ratio:
    """The weights of the sample's rows against what is live; all one where nothing has moved."""
    sample = past.sample
    rows = len(sample.at)
    even = Ratio(np.ones(rows), float(rows), ())
    tables, moved = _moved(past, live)
    if not tables:
        return even
    weights = _clipped(_fitted(tables, rows, live.rows / live.effect))
    return Ratio(weights, float(rows**2 / (weights**2).sum()), tuple(moved))


def weighed(cells: npt.NDArray[np.uint8], live: Live, features: Sequence[int]) -> Floats:
    """Weights at which rows of cells have the live shares of these features."""
    tables = [_table(cells[:, index].astype(np.int64), live.cells[index]) for index in features]
    return _clipped(_fitted(tables, len(cells), live.rows / live.effect))


def _clipped(weights: Floats) -> Floats:
    """One on average, none above the bound but for what that makes of the average."""
    clipped = np.minimum(weights / weights.mean(), CLIP)
    return np.asarray(clipped / clipped.mean(), np.float64)


def off_support(past: Past, live: Live) -> float:
    """The share of live rows in cells where the reference has next to none, by the worst of features and scores."""
    known = past.totals.by_cell[..., 0]
    strange = [_strange(reference, now) for reference, now in zip(known, live.cells, strict=True)]
    return max([_strange(past.blocks.scores.sum(axis=0), live.scores), *strange])


def rare(reference: Ints) -> npt.NDArray[np.bool_]:
    """The cells of which a reference has next to no row."""
    return np.asarray(reference < max(5, reference.sum() // 10_000))


def _strange(reference: Ints, live: Ints) -> float:
    return float(live[rare(reference)].sum() / max(1, live.sum()))


def _moved(past: Past, live: Live) -> tuple[list[tuple[Ints, Floats]], list[int]]:
    """Of everything that has moved, the place of each sample row and the live shares; and the features among it."""
    sample = past.sample
    leaves = past.tree.leaves(sample.cells)
    found, features = [], []
    for index, counts in enumerate(live.cells):
        if distance(np.bincount(sample.cells[:, index], minlength=CELLS), counts, live.effect) > _MOVED:
            found.append(_table(sample.cells[:, index].astype(np.int64), counts))
            features.append(index)
    by_score, by_leaf = live.scores, live.leaves.sum(axis=1)
    scores = sample.score_cells.astype(np.int64)
    if distance(np.bincount(scores, minlength=CELLS), by_score, live.effect) > _MOVED:
        found.append(_table(scores, by_score))
    if distance(np.bincount(leaves, minlength=len(by_leaf)), by_leaf, live.effect) > _MOVED:
        found.append(_table(leaves, by_leaf))
    return [one for one in found if one is not None], features


def distance(reference: npt.NDArray[np.int_], live: Ints, effect: float) -> float:
    """How far two tables of counts are apart, in standard deviations of chance."""
    there = (reference + live) > 0
    one, other = reference[there].astype(np.float64), live[there] / effect
    if one.sum() == 0 or other.sum() == 0 or len(one) < 2:
        return 0.0
    total = (one + other) / (one.sum() + other.sum())
    squares = sum(float(((part - part.sum() * total) ** 2 / (part.sum() * total)).sum()) for part in (one, other))
    free = len(one) - 1
    return (squares - free) / float(np.sqrt(2 * free))


def _table(places: Ints, counts: Ints) -> tuple[Ints, Floats]:
    """Live shares over the cells that the sample has."""
    there = np.bincount(places, minlength=len(counts)) > 0
    share = np.where(there, counts, 0).astype(np.float64)
    return places, share / max(1.0, share.sum())


def _fitted(tables: list[tuple[Ints, Floats]], rows: int, live_rows: float) -> Floats:
    """The weights at which every table of the weighted sample has the live shares, or near to them."""
    from scipy.optimize import minimize  # a server does not wait for it

    ends = np.cumsum([0, *(len(share) for _, share in tables)])
    target = np.concatenate([share for _, share in tables])
    places = np.stack([place + begin for (place, _), begin in zip(tables, ends[:-1], strict=True)], axis=1)
    ease = 1.0 / rows + 1.0 / max(1.0, live_rows)

    def lost(theta: Floats) -> tuple[float, Floats]:
        height = theta[places].sum(axis=1)
        top = float(height.max())
        weights = np.exp(height - top)
        total = float(weights.sum())
        have = np.zeros(len(theta))
        for column in places.T:
            have += np.bincount(column, weights=weights, minlength=len(theta))
        slope = have / total - target + ease * theta
        return top + float(np.log(total)) - float(theta @ target) + 0.5 * ease * float(theta @ theta), slope

    with one_thread():
        theta = minimize(lost, np.zeros(len(target)), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    height = theta[places].sum(axis=1)
    return np.asarray(np.exp(height - height.max()), np.float64)


def weighted_means(sample: Sample, values: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """By score cell: the weighted mean of values less their plain mean, and rows as they count with and without."""
    cells = sample.score_cells
    plain, heavy, squares = (
        np.bincount(cells, weights=one, minlength=CELLS) for one in (np.ones_like(weights), weights, weights**2)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        before = np.bincount(cells, weights=values, minlength=CELLS) / plain
        after = np.bincount(cells, weights=values * weights, minlength=CELLS) / heavy
        effective = heavy**2 / squares
    moved = np.nan_to_num(after - before)
    return moved, np.nan_to_num(effective), plain.astype(np.float64)
