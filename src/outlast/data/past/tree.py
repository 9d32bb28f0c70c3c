"""The harm tree: which leaf a row's cells lead to. It is plain data; training fits it, the watch only walks it."""

import msgspec
import numpy as np
import numpy.typing as npt

from outlast.data.profile import CELLS

LEAVES = 32
"""The most leaves a harm tree has, and the width of tables by leaf."""


class HarmTree(msgspec.Struct, frozen=True):
    """Nodes in order, the root first: of each, the feature it asks (-1: a leaf), which of its cells go left as bits of
    a number, its two children, and the number of its leaf."""

    feature: tuple[int, ...] = (-1,)
    goes_left: tuple[int, ...] = (0,)
    left: tuple[int, ...] = (-1,)
    right: tuple[int, ...] = (-1,)
    leaf: tuple[int, ...] = (0,)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return max(self.leaf) + 1

    def leaves(self, cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The leaf of every row of cells [row, feature]."""
        feature, sides, left, right, leaf = (
            np.asarray(part, np.int64) for part in (self.feature, self.goes_left, self.left, self.right, self.leaf)
        )
        node = np.zeros(len(cells), np.int64)
        walking = np.flatnonzero(feature[node] >= 0)
        while len(walking):
            here = node[walking]
            cell = cells[walking, feature[here]].astype(np.int64)
            node[walking] = np.where((sides[here] >> cell) & 1 == 1, left[here], right[here])
            walking = walking[feature[node[walking]] >= 0]
        return leaf[node]

    @property
    def _ends(self) -> list[int]:
        """The leaf of every node, -1 of one that asks."""
        return [leaf if feature < 0 else -1 for leaf, feature in zip(self.leaf, self.feature, strict=True)]

    def way(self, leaf: int) -> list[tuple[int, tuple[int, ...]]]:
        """What leads to a leaf: each feature that is asked on the way, and the cells of it that lead there."""
        node, found = self._ends.index(leaf), dict[int, int]()
        whole = (1 << CELLS) - 1
        while node:
            side, parent = next(
                (side, place)
                for side, children in ((True, self.left), (False, self.right))
                for place, child in enumerate(children)
                if child == node
            )
            bits = self.goes_left[parent] if side else whole & ~self.goes_left[parent]
            feature = self.feature[parent]
            found[feature] = found.get(feature, whole) & bits
            node = parent
        return [(feature, tuple(c for c in range(CELLS) if bits >> c & 1)) for feature, bits in reversed(found.items())]
