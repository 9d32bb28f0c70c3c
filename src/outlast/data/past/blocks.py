"""The reference hour by hour: how many rows fell into each cell, and what they lost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.past.tree import LEAVES
from outlast.data.profile import CELLS

Ints = npt.NDArray[np.int64]

HOUR = 3_600_000_000
"""An hour in microseconds."""
HOURS = 4_368
"""Hours that are kept, the newest: 26 weeks, of which blocks of a week can be drawn."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Counts by hour, oldest first; one hour that starts in 1970 where decisions have no time.

    `starts` [hour] in microseconds; `rows` [hour]; `cells` [hour, feature, cell]; `scores` [hour, score cell];
    `outcomes` [hour, score cell, outcome]; `mills` and `squares` [hour], the sums of the loss and of its square;
    `leaves` [hour, leaf]. Hours without a row are left out.
    """

    starts: Ints
    rows: Ints
    cells: Ints
    scores: Ints
    outcomes: Ints
    mills: Ints
    squares: Ints
    leaves: Ints

    @property
    def hours(self) -> int:
        return len(self.starts)

    @property
    def weeks(self) -> float:
        """From the first hour to the end of the last one."""
        return float(self.starts[-1] + HOUR - self.starts[0]) / (168 * HOUR) if self.hours else 0.0


@dataclass(frozen=True, eq=False)
class Graded:
    """Rows whose outcome is known: the cell of the score, the side of the outcome (0 or 1), the loss in mills."""

    scores: npt.NDArray[np.uint8]
    sides: npt.NDArray[np.int64]
    mills: npt.NDArray[np.int64]
    leaves: npt.NDArray[np.int64]


def blocks_of(at: Ints, cells: npt.NDArray[np.uint8], graded: Graded | None = None) -> Blocks:
    """The hours of rows decided at these moments; without `graded`, all but the features' counts are zero."""
    starts, place = np.unique(at // HOUR * HOUR, return_inverse=True)
    if len(starts) > HOURS:
        kept = place >= len(starts) - HOURS
        graded = None if graded is None else Graded(*(part[kept] for part in vars(graded).values()))
        cells, place, starts = cells[kept], place[kept] - (len(starts) - HOURS), starts[-HOURS:]
    hours = len(starts)
    found = [_tabled(place, (cells[:, index],), (hours, CELLS)) for index in range(cells.shape[1])]
    by_cell = np.stack(found, axis=1) if found else np.zeros((hours, 0, CELLS), np.int64)
    rows = np.bincount(place, minlength=hours).astype(np.int64)
    if graded is None:
        nothing = [np.zeros((hours, *shape), np.int64) for shape in ((CELLS,), (CELLS, 2), (), (), (LEAVES,))]
        return Blocks(starts, rows, by_cell, *nothing)
    return Blocks(
        starts,
        rows,
        by_cell,
        _tabled(place, (graded.scores,), (hours, CELLS)),
        _tabled(place, (graded.scores, graded.sides), (hours, CELLS, 2)),
        _summed(place, graded.mills, hours),
        _summed(place, graded.mills**2, hours),
        _tabled(place, (graded.leaves,), (hours, LEAVES)),
    )


def _tabled(place: Ints, where: tuple[npt.NDArray[Any], ...], shape: tuple[int, ...]) -> Ints:
    """How many rows fall into each place of a table."""
    flat = np.ravel_multi_index((place, *(one.astype(np.int64) for one in where)), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def _summed(place: Ints, values: Ints, hours: int) -> Ints:
    found = np.zeros(hours, np.int64)
    np.add.at(found, place, values)
    return found
