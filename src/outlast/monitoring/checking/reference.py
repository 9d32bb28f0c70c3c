"""What a version is watched against: its past as tables of the detectors, and counts of a check as the same tables.

A stream is named by what it belongs to. A feature's goes on under the next version as long as the feature computes the
same and falls into the same bins; scores and losses belong to the version.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.past import Past
from outlast.data.past.blocks import HOUR, Blocks
from outlast.data.profile import CELLS, MISSING, Profile
from outlast.monitoring.checking.normal import Normal
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.detecting.tables import Table
from outlast.monitoring.detecting.volume import Volume
from outlast.types import digest_of

Ints = npt.NDArray[np.int64]

LEAST = 200
"""Rows of the reference below which a slice is not bet on: its usual loss is not known."""
WEEKS = 4
"""Weeks of the reference below which the hours of a week are not known."""
_SECOND = 1_000_000
_ALL = 0.99


def streams_of(profile: Profile, digests: Mapping[str, str]) -> dict[str, str]:
    """The stream of each feature of a version, by name."""
    return {
        bins.name: f"{bins.name}#{digest_of([digests.get(bins.name), bins.edges, bins.categories])[:8]}"
        for bins in profile.features
    }


@dataclass(frozen=True, eq=False)
class Watched:
    """A version's reference in the detectors' shapes, and how a check's counts are put into them."""

    version: int
    profile: Profile
    past: Past
    cadence: timedelta
    digests: Mapping[str, str]
    """What each feature computes; two of equal digest and equal bins are one stream."""
    nulls: Mapping[str, float] = field(default_factory=dict)
    """The share of each ask that may be missing, as the contract says: rows without an outcome are not in the past."""
    normal: tuple[Normal, ...] = ()
    """What was accepted since."""

    @cached_property
    def names(self) -> dict[str, str]:
        """The stream of each feature, by name."""
        return streams_of(self.profile, self.digests)

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The reference of every table that this version can be watched by, and what was accepted beside it."""
        seconds = int(self.cadence.total_seconds())
        return {name: self._with_normal(name, table).by_checks(seconds) for name, table in self._promised.items()}

    @cached_property
    def _promised(self) -> dict[str, Table]:
        """The promotion's reference of every table."""
        usual, blocks = self.past.usual, self.past.blocks
        kinds = tuple(bins.kind for bins in self.profile.features)
        found = {}
        if self.profile.features:
            table = _table(tuple(self.names.values()), usual.cells, usual, kinds)
            found["features"] = replace(table, counts=self._with_nulls(table.counts))
            course = self.past.course
            known = _table(tuple(self.names.values()), course.cells, course, kinds)
            found["course"] = replace(known, counts=self._with_nulls(known.counts))
        if blocks.hours:
            found |= self._of_version(blocks)
        return {name: table for name, table in found.items() if table.counts.sum() > 0}

    def _with_nulls(self, counts: Ints) -> Ints:
        """A reference in which as much is missing as may be."""
        found = counts.copy()
        for place, name in enumerate(self.names):
            share = min(self.nulls.get(name, 0.0), _ALL)
            there = int(counts[place].sum() - counts[place, MISSING])
            found[place, MISSING] = max(found[place, MISSING], round(share / (1 - share) * there))
        return found

    def counts(self, arrived: Counts, at: int, features: npt.NDArray[Any] | None = None) -> dict[str, Ints]:
        """What arrived up to a check at this second, table by table; `features` where other versions' answers count."""
        found = self._plain(arrived, at, features)
        return {name: np.concatenate([rows, rows[self._again[name]]]) for name, rows in found.items()}

    def _plain(self, arrived: Counts, at: int, features: npt.NDArray[Any] | None) -> dict[str, Ints]:
        lost, leaves = arrived.array("loss"), arrived.array("leaves")
        outcomes = arrived.graded
        cells = arrived.cells if features is None else features
        return {
            "features": cells,
            "course": cells,
            "scores": arrived.scores[None],
            "calibration": outcomes[None],
            "outcomes": outcomes.sum(axis=0)[None],
            "loss": lost[None],
            "estimated": self.estimated(arrived.scores[None]),
            "slices": self.slice_counts(arrived),
            "leaves": leaves.sum(axis=1)[None, : self.past.tree.size],
            **({} if self._volume is None else {"volume": self._volume.cells(arrived.rows, at)}),
        }

    @cached_property
    def _again(self) -> Mapping[str, list[int]]:
        """The streams of each table that are held against what was accepted too."""
        return defaultdict(list, {name: [place for place, _ in self._accepted(name)] for name in self._promised})

    def _accepted(self, name: str) -> list[tuple[int, Normal]]:
        """Places of streams of a table that were accepted, and in which time."""
        if name == "course":  # what was accepted is its own course by now
            return []
        columns = {"features": list(self.names), "slices": self.slices, "scores": ["score"]}.get(name, [None])
        return [(place, one) for one in self.normal for place, column in enumerate(columns) if one.has(name, column)]

    def _with_normal(self, name: str, table: Table) -> Table:
        added = self._accepted(name)
        if not added:
            return table
        places = [place for place, _ in added]
        counts = [self._plain(one.counts, 0, None)[name][place] for place, one in added]
        keys = (*table.keys, *(f"{table.keys[place]}!{one.number}" for place, one in added))
        past = None if table.past is None else np.concatenate([table.past, table.past[:, places]], axis=1)
        kinds = (*table.kinds, *(table.kinds[place] for place in places)) if table.kinds else ()
        return Table(keys, np.concatenate([table.counts, np.stack(counts)]), past, table.starts, kinds)

    def _of_version(self, blocks: Blocks) -> dict[str, Table]:
        one = f"@{self.version}"
        found = {
            "scores": _table((f"scores{one}",), blocks.scores[:, None], blocks, ("number",)),
            "calibration": _table((f"calibration{one}",), blocks.outcomes[:, None], blocks),
            "outcomes": _table((f"outcomes{one}",), blocks.outcomes.sum(axis=1)[:, None], blocks),
            "loss": _table((f"loss{one}",), np.stack([blocks.rows, blocks.mills], axis=1)[:, None], blocks),
            "leaves": _table((f"leaves{one}",), blocks.leaves[:, None, : self.past.tree.size], blocks),
        }
        found["estimated"] = _table(
            (f"estimated{one}",), np.stack([self.estimated(row[None]) for row in blocks.scores]), blocks
        )
        if self.slice_totals.any():
            kept = tuple(f"{name}{one}" for name in self.slices)
            found["slices"] = Table(kept, self.slice_totals)
        if self._volume is not None:
            found["volume"] = self._volume.table(*_every_hour(blocks))
        return found

    @cached_property
    def _expected(self) -> npt.NDArray[np.float64]:
        """The usual loss of each score cell, in parts of one; the overall one where it had no row."""
        by_cell = self.past.totals.by_outcome.sum(axis=1).astype(np.float64)
        overall = by_cell[:, 1].sum() / max(1.0, by_cell[:, 0].sum())
        return np.asarray((by_cell[:, 1] + overall * 20) / (by_cell[:, 0] + 20) / 1000, np.float64)

    def estimated(self, scores: npt.NDArray[Any]) -> Ints:
        """Rows, and the mills that their scores let expect: [1, 2]."""
        mills = np.rint(scores @ (self._expected * 1000)).astype(np.int64)
        return np.stack([scores.sum(axis=-1), mills], axis=-1)

    @cached_property
    def slices(self) -> list[str]:
        """Every cell, leaf of the harm tree, pair of cells and declared word that the reference knows well."""
        return [name for name, rows in zip(self._slice_names, self._slice_all[:, 0], strict=True) if rows >= LEAST]

    @property
    def _slice_names(self) -> list[str]:
        features = [bins.name for bins in self.profile.features]
        names = [f"cell:{name}:{cell}" for name in features for cell in range(CELLS)]
        names += [f"leaf:{leaf}" for leaf in range(self.past.totals.by_leaf.shape[0])]
        names += [f"pair:{pair}" for pair in range(self.past.totals.by_pair.shape[0])]
        return names + [f"word:{one.column}={one.word}" for one in self.past.declared.words]

    @cached_property
    def _slice_all(self) -> Ints:
        totals = self.past.totals
        found = [totals.by_cell.reshape(-1, 2), totals.by_leaf.sum(axis=1), totals.by_pair]
        return np.concatenate([*found, self.past.declared.totals])

    @cached_property
    def slice_totals(self) -> Ints:
        """The same in the reference."""
        return self._slice_all[self._slice_all[:, 0] >= LEAST]

    def slice_counts(self, arrived: Counts) -> Ints:
        """Rows and mills of each of `slices`."""
        pairs, words = self.past.totals.by_pair.shape[0], len(self.past.declared.words)
        found = [arrived.array("found").reshape(-1, 2), arrived.array("graded_leaves").sum(axis=1)]
        all_ = np.concatenate([*found, arrived.array("pairs")[:pairs], arrived.array("declared")[:words]])
        return np.asarray(all_[self._slice_all[:, 0] >= LEAST])

    @cached_property
    def _volume(self) -> Volume | None:
        """How many rows an hour of the week brings; None where checks are further apart than that."""
        blocks = self.past.blocks
        if self.cadence != timedelta(hours=1) or blocks.weeks < WEEKS:
            return None
        return Volume.of(*_every_hour(blocks))


def _table(keys: tuple[str, ...], past: npt.NDArray[Any], blocks: Blocks, kinds: tuple[str, ...] = ()) -> Table:
    """Counts hour by hour, [hour, stream, ...], and their sum."""
    return Table(keys, past.sum(axis=0), past, blocks.starts // _SECOND, kinds)


def _every_hour(blocks: Blocks) -> tuple[Ints, Ints]:
    """Rows and starts, in seconds, of every hour from the first to the last, those without a row too."""
    first, last = int(blocks.starts[0]), int(blocks.starts[-1])
    rows = np.zeros((last - first) // HOUR + 1, np.int64)
    rows[(blocks.starts - first) // HOUR] = blocks.rows
    return rows, (first + np.arange(len(rows)) * HOUR) // _SECOND
