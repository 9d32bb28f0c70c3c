"""What is watched: counts by stream and cell, in the reference and, block by block, in its past."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.errors import StorageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

HOUR = 3600
SLOTS = 168
WEEK = SLOTS * HOUR


@dataclass(frozen=True, eq=False)
class Table:
    """Streams of one shape: what the reference counted, [stream, cell].

    `past` is the same for each block of the reference's time, [block, stream, cell], and `starts` the second at which
    each block begins; without them nothing is known of season or dependence. `kinds` says of a feature whether it is
    a `number` or a `category`.
    """

    keys: tuple[str, ...]
    counts: Ints
    past: Ints | None = None
    starts: Ints | None = None
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.counts) or len(set(self.keys)) != len(self.keys):
            raise StorageError(
                f"A table has {len(self.counts)} rows of counts for {len(set(self.keys))} names: expected one each; "
                "make the reference again"
            )
        if (self.past is None) != (self.starts is None):
            raise StorageError("A table's past needs the start of each block, and none without: make it again")

    @property
    def weeks(self) -> float:
        """How long the past is."""
        if self.starts is None or len(self.starts) < 2:
            return 0.0
        return float(self.starts[-1] - self.starts[0] + self.block) / WEEK

    @property
    def block(self) -> int:
        """Seconds from one block of the past to the next."""
        if self.starts is None or len(self.starts) < 2:
            return HOUR
        return int(np.median(np.diff(self.starts)))

    def by_checks(self, cadence: int) -> "Table":
        """The past in blocks of a check, where checks are further apart than the past's own blocks.

        A day is held against days: its counts follow no hour of the week.
        """
        if self.past is None or self.starts is None or not len(self.starts) or cadence <= self.block:
            return self
        starts, first = np.unique(self.starts // cadence * cadence, return_index=True)
        return replace(self, past=np.add.reduceat(self.past, first, axis=0), starts=starts)

    def mapped(self, counts: npt.NDArray[Any], past: npt.NDArray[Any] | None) -> "Table":
        """The same streams with other cells."""
        return Table(self.keys, np.asarray(counts), None if past is None else np.asarray(past), self.starts, self.kinds)


Tables = Mapping[str, Table]


def slot_of(at: Ints | int) -> Ints:
    """The hour of the week, counted from 1970's first."""
    return np.asarray(at, np.int64) // HOUR % SLOTS


@dataclass(frozen=True, eq=False)
class Season:
    """The shares of the cells that are expected, and by how much they follow the hour of the week."""

    overall: Floats
    """[stream, cell], each row summing to 1."""
    by_slot: Floats | None = field(default=None)
    """[slot, stream, cell], or None where the past allows no season."""

    def at(self, slot: int) -> Floats:
        return self.overall if self.by_slot is None else self.by_slot[slot]


SEASONED_WEEKS = 4
LEAST_PRIOR = 200.0
_COMMON = 0.005
_NONE = 1e12


def season_of(table: Table) -> Season:
    """The expected shares, by the hour of the week where the past has four weeks and shows a season.

    An hour's shares are shrunk to the overall ones: (n_h p_h + k p) / (n_h + k). k is at least 200 rows, and as large
    as an empirical Bayes estimate finds (the chi-square of hours against the week, less what blocks of one hour vary
    among themselves): without a season k is infinite and nothing is lost.
    """
    overall = table.counts / np.maximum(1, table.counts.sum(axis=1, keepdims=True))
    if table.past is None or table.starts is None or table.weeks < SEASONED_WEEKS:
        return Season(overall)
    slots = slot_of(table.starts)
    sums = np.zeros((SLOTS, *overall.shape))
    np.add.at(sums, slots, table.past)
    rows = sums.sum(axis=2)
    prior = _prior(sums, rows, table.past, slots)
    whole = sums.sum(axis=0) / np.maximum(1.0, rows.sum(axis=0))[:, None]
    moves = (sums + prior[None, :, None] * whole) / (rows + prior)[:, :, None] - whole
    by_slot = np.clip(overall + moves, 0.0, None)
    if not (prior < _NONE).any():
        return Season(overall)
    return Season(overall, by_slot / np.maximum(by_slot.sum(axis=2, keepdims=True), 1e-300))


def _prior(sums: Floats, rows: Floats, past: Ints, slots: Ints) -> Floats:
    """How many rows of the overall shares an hour's own are mixed with, by stream."""
    total = sums.sum(axis=0)
    share = total / np.maximum(1.0, total.sum(axis=1))[:, None]
    common = share >= _COMMON
    each = np.where(common, 1.0 / np.where(common, share, 1.0), 0.0)
    freedom = np.maximum(1, common.sum(axis=1) - 1)
    used = (rows > 0).sum(axis=0)
    between = _squares(sums, rows, share, each).sum(axis=0) / (freedom * np.maximum(1, used - 1))
    of_slot = sums / np.maximum(1.0, rows)[:, :, None]
    within = np.zeros(len(share))
    blocks = np.zeros(len(share))
    for slot in range(SLOTS):
        mine = past[slots == slot]
        n = mine.sum(axis=2)
        within += _squares(mine, n, of_slot[slot], each).sum(axis=0)
        blocks += np.maximum(0, (n > 0).sum(axis=0) - 1)
    within = np.maximum(1.0, within / np.maximum(1, blocks * freedom))
    mean_rows = rows.sum(axis=0) / np.maximum(1, used)
    chance = within * (1 + 2 * np.sqrt(2 / (freedom * np.maximum(1, used - 1))))
    spread = (between - chance) / np.maximum(1.0, mean_rows)
    found = np.where((spread > 0) & (used > 1), np.maximum(LEAST_PRIOR, within / np.maximum(spread, 1e-12)), _NONE)
    return np.asarray(found, np.float64)


def _squares(counts: npt.NDArray[Any], rows: npt.NDArray[Any], share: Floats, each: Floats) -> Floats:
    """Chi-square of each block against shares, by stream."""
    expected = np.asarray(rows, np.float64)[..., None] * share
    deviations = (np.asarray(counts, np.float64) - expected) ** 2 * each
    return np.asarray(deviations.sum(axis=-1) / np.maximum(1.0, np.asarray(rows, np.float64)), np.float64)
