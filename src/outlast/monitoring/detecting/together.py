"""Whether columns go together otherwise than before: a classifier of earlier days bets on the day that is over.

It learns to tell rows of the days before from one half of the reference's sample, as many of each, by values and by
their products (kernel ridge regression of degree 2). What it says of a row, g in [0, 1], is then bet on: the mean over
the day is held against that over the reference's other half, which it never saw, with sampling error and a margin.

    log e = sum ln(1 + lambda (g - m)) / phi ,  R = (R + 1) e     as in every other stream

Reference rows are not bet on themselves, since they are the same ones each night. phi is measured over the reference's
own days, and grows with the rows of the day that is bet on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, BINS, CELLS, MISSING, Bins
from outlast.monitoring import evidence

Floats = npt.NDArray[np.float64]
Cells = npt.NDArray[np.uint8]

TRAINED, BET = 700, 500
"""Rows of each side that it learns from, and rows of a day that are bet on."""
SHIFTS = (0.05, 0.1, 0.2, 0.4)
"""By how many standard deviations of g the day's mean is bet to be larger."""
_Z, _MARGIN = 3.0, 0.035
_RIDGES = (0.003, 0.03, 0.3)
_ASSUMED = 10.0
_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Learnt:
    """A classifier: which of its columns are which feature's, and which features it goes by, the heaviest first."""

    columns: "Columns"
    rows: Floats
    weights: Floats

    def says(self, cells: Cells) -> Floats:
        """How much each row is like the newer ones, in [0, 1]."""
        told = _kernel(self.columns.of(cells), self.rows) @ self.weights
        return np.asarray(0.5 + 0.5 * np.clip(told, -1.0, 1.0), np.float64)

    def heaviest(self) -> tuple[int, int]:
        """The two features that weigh most together; one twice where it does so alone."""
        size = self.rows.shape[1]
        single = 2 * (self.weights @ self.rows) / size
        pairs = (self.rows * self.weights[:, None]).T @ self.rows / size**2
        by_pair = np.zeros((self.columns.features, self.columns.features))
        np.add.at(by_pair, (self.columns.owner[:, None], self.columns.owner[None, :]), pairs**2)
        by_pair *= 2 - np.eye(len(by_pair))
        np.add.at(by_pair, (self.columns.owner, self.columns.owner), single**2)
        first, second = divmod(int(np.argmax(np.triu(by_pair))), len(by_pair))
        return first, second


@dataclass(frozen=True, eq=False)
class Columns:
    """Cells as numbers of mean 0 and variance 1 in the reference: ranks of numbers, and whether a category is there."""

    table: tuple[Floats, ...]
    """Of each feature, [cell, column]."""
    owner: npt.NDArray[np.int64]

    @classmethod
    def made(cls, bins: Sequence[Bins], reference: Cells) -> "Columns":
        tables = []
        for place, one in enumerate(bins):
            counts = np.bincount(reference[:, place], minlength=CELLS)
            plain = _ranks(counts) if one.kind == "number" else np.eye(CELLS)
            share = counts / max(1, counts.sum())
            mean = share @ plain
            spread = np.sqrt(share @ (plain - mean) ** 2)
            kept = spread > 0.05
            tables.append((plain[:, kept] - mean[kept]) / spread[kept])
        owner = np.repeat(np.arange(len(tables)), [table.shape[1] for table in tables])
        return cls(tuple(tables), owner)

    @property
    def features(self) -> int:
        return len(self.table)

    def of(self, cells: Cells) -> Floats:
        return np.concatenate([table[cells[:, place]] for place, table in enumerate(self.table)], axis=1)


def learn(bins: Sequence[Bins], reference: Cells, newer: Cells) -> Learnt | None:
    """A classifier of newer rows; None where it tells nothing on rows that it did not see."""
    size = min(len(reference), len(newer), TRAINED)
    columns = Columns.made(bins, reference)
    if size < 100 or not len(columns.owner):
        return None
    rows = columns.of(np.concatenate([reference[:size], newer[:size]]))
    sides = np.repeat([-1.0, 1.0], size)
    kernel = _kernel(rows, rows)
    # Learning from half of the rows says which ridge is best as well as most of them would, in a fifth of the time.
    mine, apart = np.arange(0, 2 * size, 2), np.arange(1, 2 * size, 4)
    losses = []
    for ridge in _RIDGES:
        weights = _solved(kernel[np.ix_(mine, mine)], sides[mine], ridge)
        told = np.clip(kernel[np.ix_(apart, mine)] @ weights, -1.0, 1.0)
        losses.append(float(((told - sides[apart]) ** 2).mean()))
    best = int(np.argmin(losses))
    return Learnt(columns, rows, _solved(kernel, sides, _RIDGES[best])) if losses[best] < 1.0 else None


def log_evidence(learnt: Learnt, reference: Cells, at: npt.NDArray[np.int64], day: Cells) -> Floats:
    """log e of each of `SHIFTS` for a day's rows; the reference's rows, with their moments, are others than it saw."""
    usual, now = learnt.says(reference), learnt.says(day[:BET])
    sigma = float(usual.std())
    if sigma <= 0:
        return np.zeros(len(SHIFTS))
    limit = float(usual.mean()) + _Z * sigma / np.sqrt(len(usual)) + max(0.0025, _MARGIN * sigma)
    shift = np.array(SHIFTS) * sigma
    stakes = np.minimum(shift / (sigma**2 + shift**2), 0.9 / max(limit, 1e-9))
    found = np.log1p(stakes[None, :] * (now[:, None] - limit)).sum(axis=0)
    return np.asarray(found / _effect(usual, at, len(now)), np.float64)


def _effect(usual: Floats, at: npt.NDArray[np.int64], rows: int) -> float:
    """How many of a day's rows weigh as one, by how far the reference's days lay apart in what is said of them."""
    _, place, counts = np.unique(at // _DAY, return_inverse=True, return_counts=True)
    whole = counts >= 5
    if whole.sum() < 7:
        return _ASSUMED
    means = np.bincount(place, usual) / counts
    blocks = counts[whole].tolist()
    effect = evidence.design_effect(means[whole].tolist(), blocks, float(usual.var()))
    per_block = len(blocks) / sum(1 / n for n in blocks)
    return float(1 + (effect - 1) * max(1.0, rows / per_block))


def _ranks(counts: npt.NDArray[np.int64]) -> Floats:
    """Of a number's cells: their middle rank, and whether it is missing."""
    order = [BELOW, *range(BINS), ABOVE]
    share = counts[order] / max(1, counts[order].sum())
    found = np.zeros((CELLS, 2))
    found[:, 0] = 0.5
    found[order, 0] = np.cumsum(share) - share / 2
    found[MISSING, 1] = 1.0
    return found


def _kernel(one: Floats, other: Floats) -> Floats:
    return np.asarray((1 + one @ other.T / one.shape[1]) ** 2, np.float64)


def _solved(kernel: Floats, sides: Floats, ridge: float) -> Floats:
    from scipy.linalg import solve  # a tick that has no day to judge does not wait for it

    raised = kernel + ridge * len(sides) * np.eye(len(sides))
    return np.asarray(solve(raised, sides, assume_a="pos", overwrite_a=True, check_finite=False), np.float64)
