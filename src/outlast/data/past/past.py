"""A version's past as a whole, made from the rows of its reference."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.past.blocks import Blocks, Graded, blocks_of
from outlast.data.past.declared import Declared
from outlast.data.past.loss import LossScale
from outlast.data.past.pairs import Pairs
from outlast.data.past.tree import LEAVES, HarmTree
from outlast.data.profile import CELLS

SAMPLE = 5_000
"""Rows of the sample at the most."""
FEW_ROWS, FEW_WEEKS = 20_000, 4.0
"""A reference with less than either is too small to say what is usual of features: all labelled rows say it."""

Ints = npt.NDArray[np.int64]
_NONE = Declared()


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows of the reference as arrays: moments, cells, score cells, scores, outcomes and what was answered.

    `outcomes` are codes of classes, or numbers; `answers` the code of the likeliest class, 0 of a regression. `sides`
    are as monitoring counts them: no or yes; wrong or right; below or not below the prediction.
    """

    at: Ints
    cells: npt.NDArray[np.uint8]
    score_cells: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float64]
    outcomes: npt.NDArray[np.float64]
    answers: Ints
    sides: Ints
    mills: Ints

    def part(self, rows: npt.NDArray[Any]) -> "Reference":
        """Some of the rows, by their places or by a mask."""
        return Reference(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


Sample = Reference
"""Some rows of the reference, in order of time."""


@dataclass(frozen=True, eq=False)
class Totals:
    """The reference as one, over its held-out rows.

    `by_cell` [feature, cell, 2], `by_leaf` [leaf, score cell, 2], `by_pair` [pair, 2] and `by_outcome`
    [score cell, outcome, 2] each hold the number of rows and the sum of their mills.
    """

    by_cell: Ints
    by_leaf: Ints
    by_pair: Ints
    by_outcome: Ints


@dataclass(frozen=True, eq=False)
class Past:
    """What is kept of a reference. `wide` counts features over all labelled rows; older versions may lack it."""

    features: tuple[str, ...]
    blocks: Blocks
    wide: Blocks | None
    totals: Totals
    scale: LossScale
    tree: HarmTree
    pairs: Pairs
    sample: Sample
    declared: Declared = _NONE

    @property
    def usual(self) -> Blocks:
        """The hours that say what is usual of features: all that are labelled, where too few were held out."""
        few = self.rows < FEW_ROWS or self.blocks.weeks < FEW_WEEKS
        return self.wide if few and self.wide is not None else self.blocks

    @property
    def course(self) -> Blocks:
        """The hours that say how features move: as long a time as there is."""
        return self.blocks if self.wide is None else self.wide

    @property
    def rows(self) -> int:
        """How many held-out rows it was made from."""
        return int(self.totals.by_outcome[..., 0].sum())


def past_of(
    features: tuple[str, ...],
    held_out: Reference,
    learnt: tuple[LossScale, HarmTree, Pairs],
    *,
    every: Callable[[], tuple[Ints, npt.NDArray[np.uint8]]],
    seed: int,
    declared: Declared = _NONE,
) -> Past:
    """The past of a version; `every` gives the moments and the cells of all labelled rows."""
    scale, tree, pairs = learnt
    leaves = tree.leaves(held_out.cells)
    graded = Graded(held_out.score_cells, held_out.sides, held_out.mills, leaves)
    blocks = blocks_of(held_out.at, held_out.cells, graded)
    totals = _totals(held_out, leaves, pairs)
    wide, sample = blocks_of(*every()), sample_of(held_out, seed)
    return Past(features, blocks, wide, totals, scale, tree, pairs, sample, declared)


def sample_of(reference: Reference, seed: int) -> Sample:
    """Some of the rows, drawn without favour."""
    rows = len(reference.at)
    drawn = np.random.default_rng(seed).permutation(rows)[:SAMPLE]
    order = np.sort(drawn)[np.argsort(reference.at[np.sort(drawn)], kind="stable")]
    return reference.part(order)


def _totals(rows: Reference, leaves: Ints, pairs: Pairs) -> Totals:
    by_cell = [
        _weighed(rows.cells[:, place].astype(np.int64), rows.mills, CELLS) for place in range(rows.cells.shape[1])
    ]
    scores = rows.score_cells.astype(np.int64)
    hits = pairs.hits(rows.cells)
    by_pair = np.stack([hits.sum(axis=0), rows.mills @ hits], axis=1) if hits.size else np.zeros((0, 2))
    return Totals(
        np.stack(by_cell) if by_cell else np.zeros((0, CELLS, 2), np.int64),
        _weighed(leaves * CELLS + scores, rows.mills, LEAVES * CELLS).reshape(LEAVES, CELLS, 2),
        by_pair.astype(np.int64),
        _weighed(scores * 2 + rows.sides, rows.mills, CELLS * 2).reshape(CELLS, 2, 2),
    )


def _weighed(place: Ints, mills: Ints, size: int) -> Ints:
    """Rows and mills by place."""
    found = np.zeros((size, 2), np.int64)
    np.add.at(found, place, np.stack([np.ones_like(mills), mills], axis=1))
    return found
