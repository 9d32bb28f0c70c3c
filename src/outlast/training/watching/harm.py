"""Where the loss lives: a shallow tree over cells that tells it, and the pairs of cells that lose most together."""

import numpy as np
import numpy.typing as npt

from outlast.data.past import LEAVES, HarmTree, Pairs
from outlast.data.past.pairs import MOST
from outlast.data.profile import CELLS

Cells = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ROWS = 20_000
"""Rows that are looked at, at the most: enough for 32 leaves."""
_FEWEST = 50
_SHRUNK = 50.0
"""As many rows of the mean loss are added to each cell before cells are put in order."""
_CANDIDATES = 128


def looked_at(rows: int, seed: int) -> Ints:
    """The places of the rows that are looked at, in order."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:ROWS])


def harm_tree(cells: Cells, mills: Ints) -> HarmTree:
    """A tree of at most 32 leaves that tells the loss from the cells; one leaf where nothing tells it."""
    rows = len(cells)
    if rows < 2 * _FEWEST or cells.shape[1] == 0 or mills.min() == mills.max():
        return HarmTree()
    from sklearn.tree import DecisionTreeRegressor

    ranks = np.stack([_ranks(cells[:, place], mills) for place in range(cells.shape[1])])
    least = max(_FEWEST, rows // 200)
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=least, random_state=0)
    ranked = np.stack([ranks[place][cells[:, place]] for place in range(cells.shape[1])], axis=1)
    found = tree.fit(ranked.astype(np.float32), mills.astype(np.float64)).tree_
    leaf = np.where(found.children_left < 0, np.cumsum(found.children_left < 0) - 1, 0)
    asked = list(zip(found.feature.tolist(), found.threshold.tolist(), found.children_left.tolist(), strict=True))
    return HarmTree(
        tuple(feature if left >= 0 else -1 for feature, _, left in asked),
        tuple(_bits(ranks[feature] <= edge) if left >= 0 else 0 for feature, edge, left in asked),
        tuple(found.children_left.tolist()),
        tuple(found.children_right.tolist()),
        tuple(leaf.tolist()),
    )


def worst_pairs(cells: Cells, mills: Ints) -> Pairs:
    """Pairs of cells that lose more than either cell alone, by how far beyond chance their loss is above the mean.

    Cells that lose most, or are most common, are tried with each other: a pair of rare and harmless ones is not seen.
    """
    rows, features = cells.shape
    if rows < 2 * _FEWEST or features < 2 or mills.min() == mills.max():
        return Pairs()
    tried = _candidates(cells, mills)
    if not tried:
        return Pairs()
    hits = np.stack([cells[:, feature] == cell for feature, cell in tried], axis=1).astype(np.float64)
    together = hits.T @ hits
    lost = hits.T @ (hits * mills[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = lost / together
        excess = (means - mills.mean()) * np.sqrt(together)
    alone = np.diag(means)
    apart = np.array([[one[0] < other[0] for other in tried] for one in tried])
    worse = means > np.maximum(alone[:, None], alone[None, :])
    excess[~(apart & worse & (together >= max(_FEWEST, rows // 200)))] = -np.inf
    order = np.argsort(-excess, axis=None, kind="stable")[:MOST]
    best = [(int(place) // len(tried), int(place) % len(tried)) for place in order if excess.ravel()[place] > 0]
    return Pairs([(*tried[one], *tried[other]) for one, other in best])


def _ranks(cells: Cells, mills: Ints) -> Ints:
    """The place of each cell of a feature when they are put in order of their mean loss."""
    counts = np.bincount(cells, minlength=CELLS)
    sums = np.bincount(cells, weights=mills, minlength=CELLS)
    means = (sums + _SHRUNK * mills.mean()) / (counts + _SHRUNK)
    ranks = np.empty(CELLS, np.int64)
    ranks[np.argsort(means, kind="stable")] = np.arange(CELLS)
    return ranks


def _bits(chosen: npt.NDArray[np.bool_]) -> int:
    return sum(1 << int(cell) for cell in np.flatnonzero(chosen))


def _candidates(cells: Cells, mills: Ints) -> list[tuple[int, int]]:
    """Single cells with rows enough, the most harmful and the most common of them."""
    rows, mean = len(cells), float(mills.mean())
    found: list[tuple[float, int, int]] = []
    for feature in range(cells.shape[1]):
        counts = np.bincount(cells[:, feature], minlength=CELLS)
        sums = np.bincount(cells[:, feature], weights=mills, minlength=CELLS)
        for cell in np.flatnonzero((counts >= max(_FEWEST, rows // 200)) & (counts < rows)).tolist():
            excess = max(0.0, float(sums[cell]) / counts[cell] - mean)
            found.append((-(excess + 0.1 * mean) * float(np.sqrt(counts[cell])), feature, cell))
    return sorted((feature, cell) for _, feature, cell in sorted(found)[:_CANDIDATES])
