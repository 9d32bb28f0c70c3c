"""The harm tree as data: every row of cells ends in the leaf that its way describes."""

import numpy as np

from outlast.data.past import HarmTree
from outlast.data.profile import CELLS

TREE = HarmTree((0, -1, 1, -1, -1), (0b11, 0, 1 << 16, 0, 0), (1, -1, 3, -1, -1), (2, -1, 4, -1, -1), (0, 0, 0, 1, 2))


def test_rows_go_left_by_the_cells_of_a_node() -> None:
    cells = np.array([[0, 16], [1, 3], [2, 16], [19, 5]], np.uint8)
    assert TREE.leaves(cells).tolist() == [0, 0, 1, 2]
    assert TREE.size == 3


def test_the_way_to_a_leaf_is_taken_by_the_rows_that_end_there() -> None:
    cells = np.random.default_rng(1).integers(0, CELLS, (500, 2)).astype(np.uint8)
    leaves = TREE.leaves(cells)
    for leaf in range(TREE.size):
        there = np.all([np.isin(cells[:, feature], list(among)) for feature, among in TREE.way(leaf)], axis=0)
        assert (there == (leaves == leaf)).all()


def test_a_tree_without_a_question_has_one_leaf() -> None:
    assert HarmTree().leaves(np.zeros((3, 0), np.uint8)).tolist() == [0, 0, 0]
    assert HarmTree().way(0) == []
