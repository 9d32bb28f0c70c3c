"""How many rows come: each check's number against what its hour of the week had, as one row of 20 cells.

The cells are quantiles of the ratio over the past, so that the bets of a number's shape apply. No rows at all where
many were expected is no matter of statistics: whoever counts says so at once.
"""

from dataclasses import dataclass

import numpy as np

from outlast.data.profile import ABOVE, BELOW, BINS, CELLS
from outlast.monitoring.detecting.tables import HOUR, SLOTS, Floats, Ints, Table, slot_of

_LEAST = 1.0
"""An hour in which fewer rows than this are expected says nothing by having none."""


@dataclass(frozen=True, eq=False)
class Volume:
    """What each hour of the week is expected to bring, and where the ratios to it lay."""

    expected: Floats
    edges: Floats

    @classmethod
    def of(cls, rows: Ints, starts: Ints) -> "Volume":
        """From the rows of each block of the past. Hours are shrunk to the overall mean by two blocks of it."""
        slots, counts = slot_of(starts), np.asarray(rows, np.float64)
        sums, blocks = np.bincount(slots, counts, SLOTS), np.bincount(slots, minlength=SLOTS)
        daily = (sums.reshape(7, 24).sum(axis=0) + counts.mean()) / (blocks.reshape(7, 24).sum(axis=0) + 1)
        expected = (sums + 2 * np.tile(daily, 7)) / (blocks + 2)
        ratios = (counts / np.maximum(_LEAST, expected[slots]))[expected[slots] >= _LEAST]
        edges = np.quantile(ratios, np.linspace(0, 1, BINS + 1)) if len(ratios) else np.ones(BINS + 1)
        return cls(expected, edges)

    def cells(self, rows: int, at: int) -> Ints:
        """[1, cell] of one check."""
        found = np.zeros((1, CELLS), np.int64)
        expected = float(self.expected[int(slot_of(at))])
        if expected >= _LEAST:
            found[0, self._cell(rows / expected)] = 1
        return found

    def table(self, rows: Ints, starts: Ints) -> Table:
        """The past's own, as a reference."""
        past = np.stack([self.cells(int(n), int(at)) for n, at in zip(rows, starts, strict=True)])
        block = int(np.median(np.diff(starts))) if len(starts) > 1 else HOUR
        starts = np.asarray(starts, np.int64) // block * block
        return Table(("volume",), past.sum(axis=0), past, starts, ("number",))

    def _cell(self, ratio: float) -> int:
        if ratio < self.edges[0]:
            return BELOW
        if ratio > self.edges[-1]:
            return ABOVE
        return int(np.searchsorted(self.edges[1:-1], ratio, side="right"))
