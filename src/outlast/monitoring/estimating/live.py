"""What an estimate is made from: counts of what was answered, and counts of earlier answers whose labels are here."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.data.past import LEAVES
from outlast.data.profile import CELLS

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Live:
    """Answers of the model itself in some period: `cells` [feature, cell], `leaves` [leaf, score cell].

    `effect` is how many rows count as one, where rows of an hour are alike.
    """

    cells: Ints
    leaves: Ints
    effect: float = 1.0

    @property
    def scores(self) -> Ints:
        return np.asarray(self.leaves.sum(axis=0), np.int64)

    @property
    def rows(self) -> int:
        return int(self.leaves.sum())


@dataclass(frozen=True, eq=False)
class Matured:
    """Earlier answers of the same version with their labels: `outcomes` [score cell, side]; `mills` [leaf, score
    cell, 2], rows and the sum of their loss."""

    outcomes: Ints
    mills: Ints

    @classmethod
    def none(cls) -> "Matured":
        return cls(np.zeros((CELLS, 2), np.int64), np.zeros((LEAVES, CELLS, 2), np.int64))
