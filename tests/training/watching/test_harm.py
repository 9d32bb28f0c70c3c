"""The tree finds where the loss lives, and pairs are worse than their parts."""

import numpy as np
import numpy.typing as npt

from outlast.data.past import HarmTree, Pairs
from outlast.training.watching.harm import harm_tree, worst_pairs

ROWS = 8_000


def rows() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Loss lives in cells 3 and 11 of the first feature, and where the second is 1 and the third 2."""
    rng = np.random.default_rng(2)
    cells = rng.integers(0, 16, (ROWS, 4)).astype(np.uint8)
    cells[:, 1:3] %= 4
    chance = 0.05 + 0.5 * np.isin(cells[:, 0], [3, 11]) + 0.4 * ((cells[:, 1] == 1) & (cells[:, 2] == 2))
    return cells, np.where(rng.random(ROWS) < chance, 1000, 0).astype(np.int64)


def test_the_tree_tells_the_rows_that_lose_from_the_others() -> None:
    cells, mills = rows()
    tree = harm_tree(cells, mills)
    assert 4 <= tree.size <= 32
    leaves = tree.leaves(cells)
    counts = np.bincount(leaves, minlength=tree.size)
    means = np.bincount(leaves, weights=mills, minlength=tree.size) / counts
    assert counts.min() >= 50
    told = 1 - ((mills - means[leaves]) ** 2).sum() / ((mills - mills.mean()) ** 2).sum()
    assert told > 0.2, "leaves of a random tree tell nearly nothing"
    assert tree == harm_tree(cells, mills)


def test_the_worst_pair_is_found_first_and_no_feature_is_paired_with_itself() -> None:
    cells, mills = rows()
    pairs = worst_pairs(cells, mills)
    assert (1, 1, 2, 2) in pairs.cells[:20]
    hits = pairs.hits(cells)
    for (a, cell, b, other), hit in zip(pairs.cells, hits.T, strict=True):
        assert a < b
        alone = max(mills[cells[:, a] == cell].mean(), mills[cells[:, b] == other].mean())
        assert mills[hit].mean() > alone
        assert hit.sum() >= 50


def test_where_nothing_is_lost_or_rows_are_few_there_is_one_leaf_and_no_pair() -> None:
    cells, mills = rows()
    nothing = np.zeros_like(mills)
    for chosen, lost in ((cells, nothing), (cells[:40], mills[:40]), (cells[:, :0], mills), (cells * 0, mills)):
        assert harm_tree(chosen, lost) == HarmTree()
        assert worst_pairs(chosen, lost) == Pairs()
