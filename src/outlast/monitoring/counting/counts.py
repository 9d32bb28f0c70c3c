"""What is kept of a window: counts over the bins frozen at training, and exact sums of losses.

Everything here adds: windows, replicas and slices merge to the same bits in any order, so a longer window is a sum of
shorter ones. No row is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.profile import CELLS
from outlast.errors import StorageError
from outlast.monitoring.counting.sums import Moments
from outlast.types import FORMAT

Ints = npt.NDArray[np.int64]

AGES = tuple(timedelta(hours=h) for h in (1, 6, 24, 72, 168, 336, 720))
"""Where one bucket of a label's age ends and the next begins; a label as old as the last or older is in the last."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of some predictions of one version.

    `cells` is [feature, cell]; `scores` [cell]; `labels` [score cell, outcome, age of the label], all labels that are
    here; `graded` [score cell, outcome], only predictions whose label is matured. An outcome is no or yes; wrong or
    right for classes; below or not below the prediction for numbers.
    """

    features: tuple[str, ...]
    rows: int
    cells: Ints
    scores: Ints
    labels: Ints
    graded: Ints
    tallies: Mapping[str, int] = field(default_factory=dict)
    moments: Mapping[str, Moments] = field(default_factory=dict)

    @classmethod
    def none(cls, features: Iterable[str]) -> "Counts":
        """The counts of no prediction, which change nothing they are added to."""
        names = tuple(features)
        cells, scores, labels, graded = (
            np.zeros(shape, np.int64)
            for shape in ((len(names), CELLS), (CELLS,), (CELLS, 2, len(AGES) + 1), (CELLS, 2))
        )
        return cls(names, 0, cells, scores, labels, graded)

    def __add__(self, other: "Counts") -> "Counts":
        if self.features != other.features:
            raise StorageError(
                "Counts of different features cannot be added: expected windows of one version; count them again"
            )
        return Counts(
            self.features,
            self.rows + other.rows,
            self.cells + other.cells,
            self.scores + other.scores,
            self.labels + other.labels,
            self.graded + other.graded,
            {k: self.tally(k) + other.tally(k) for k in sorted({*self.tallies, *other.tallies})},
            {k: self.moment(k) + other.moment(k) for k in sorted({*self.moments, *other.moments})},
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counts) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def tally(self, name: str) -> int:
        return self.tallies.get(name, 0)

    def moment(self, name: str) -> Moments:
        return self.moments.get(name, Moments())

    def named(self, prefix: str) -> dict[str, int]:
        """The tallies of a family, such as `rung`, by the rest of their names."""
        start = f"{prefix}:"
        return {name.removeprefix(start): n for name, n in self.tallies.items() if name.startswith(start)}

    def to_json(self) -> dict[str, Any]:
        """Plain values; zeros of the tallies are left out, so that equal counts are spelled alike."""
        return {
            "format": FORMAT,
            "features": list(self.features),
            "rows": self.rows,
            "cells": self.cells.tolist(),
            "scores": self.scores.tolist(),
            "labels": self.labels.tolist(),
            "graded": self.graded.tolist(),
            "tallies": {k: v for k, v in sorted(self.tallies.items()) if v},
            "moments": {k: v.to_json() for k, v in sorted(self.moments.items()) if v.n},
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Counts":
        if kept.get("format", 0) > FORMAT:
            raise StorageError(
                f"A window has format {kept['format']}, this Outlast reads up to {FORMAT}: upgrade Outlast"
            )
        names = ("cells", "scores", "labels", "graded")
        cells, scores, labels, graded = (np.asarray(kept[name], np.int64) for name in names)
        features = tuple(kept["features"])
        moments = {name: Moments.from_json(value) for name, value in kept["moments"].items()}
        cells = cells.reshape(len(features), CELLS)
        return cls(features, kept["rows"], cells, scores, labels, graded, kept["tallies"], moments)


def merged(counts: Iterable[Counts]) -> Counts | None:
    """All counts together; None of none."""
    found = list(counts)
    return reduce(lambda a, b: a + b, found) if found else None


def cell_counts(cells: Iterable[bytes | None], features: int) -> tuple[Ints, int]:
    """[feature, cell] counts of rows of cells, and how many rows had none that fit."""
    given = list(cells)
    whole = [row for row in given if row is not None and len(row) == features]
    if not features or not whole:
        return np.zeros((features, CELLS), np.int64), len(given) - len(whole)
    table = np.frombuffer(b"".join(whole), np.uint8).reshape(-1, features)
    sound = table[(table < CELLS).all(axis=1)]
    flat = sound.astype(np.int64) + np.arange(features, dtype=np.int64) * CELLS
    found = np.bincount(flat.ravel(), minlength=features * CELLS).reshape(features, CELLS)
    return found.astype(np.int64), len(given) - len(sound)


def age_buckets(seconds: npt.NDArray[np.float64]) -> Ints:
    """The bucket of each label's age; a label that was known before the decision has age 0.

    >>> age_buckets(np.array([0.0, 3600.0, 1e9])).tolist()
    [0, 1, 7]
    """
    edges = np.array([age.total_seconds() for age in AGES])
    return np.searchsorted(edges, seconds, side="right").astype(np.int64)
