"""Pairs of cells of two features, whose rows together lose most."""

import msgspec
import numpy as np
import numpy.typing as npt

MOST = 50
"""The most pairs that are watched."""


class Pairs(msgspec.Struct, frozen=True):
    """Each is a feature, its cell, another feature, and its cell; the one that loses most first."""

    cells: list[tuple[int, int, int, int]] = []

    def hits(self, cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which rows of cells [row, feature] are in which pair: [row, pair]."""
        table = np.asarray(self.cells, np.int64).reshape(-1, 4)
        first = cells[:, table[:, 0]] == table[:, 1]
        return np.asarray(first & (cells[:, table[:, 2]] == table[:, 3]))
