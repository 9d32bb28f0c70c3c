"""What is kept of predictions: counts over the bins frozen at training, and exact sums of losses.

Everything here adds and subtracts: checks, windows, replicas and slices merge to the same bits in any order, so a
longer stretch is a sum of shorter ones, and a correction is minus what was before, plus what is now. No row is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.past.declared import MOST as WORDS
from outlast.data.past.pairs import MOST as PAIRS
from outlast.data.past.tree import LEAVES
from outlast.data.profile import CELLS
from outlast.errors import StorageError
from outlast.monitoring.counting.sums import Moments
from outlast.types import FORMAT

Ints = npt.NDArray[np.int64]

AGES = tuple(timedelta(hours=h) for h in (1, 6, 24, 72, 168, 336, 720))
"""Where one bucket of a label's age ends and the next begins; a label as old as the last or older is in the last."""
MILLS = 1000
"""Loss is counted in thousandths of the largest."""


FIRST = ("cells", "scores", "labels", "graded")
"""The arrays that are always there."""


def shapes(features: int) -> dict[str, tuple[int, ...]]:
    """The arrays of counts, by name."""
    return {
        "cells": (features, CELLS),
        "scores": (CELLS,),
        "labels": (CELLS, 2, len(AGES) + 1),
        "graded": (CELLS, 2),
        "covered": (CELLS, 2),
        "loss": (2,),
        "aged": (len(AGES) + 1, 2),
        "found": (features, CELLS, 2),
        "leaves": (LEAVES, CELLS),
        "graded_leaves": (LEAVES, CELLS, 2),
        "pairs": (PAIRS, 2),
        "declared": (WORDS, 2),
    }


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of some predictions of one version.

    `cells` is [feature, cell]; `scores` [cell]; `labels` [score cell, outcome, age of the label], all labels that are
    here; `graded` [score cell, outcome], only predictions whose label is matured. An outcome is no or yes; wrong or
    right for classes; below or not below the prediction for numbers. `more` has what `array` gives: where a version
    keeps no scale of loss, or a slice no features, arrays are left out and stand for zeros.
    """

    features: tuple[str, ...]
    rows: int
    cells: Ints
    scores: Ints
    labels: Ints
    graded: Ints
    tallies: Mapping[str, int] = field(default_factory=dict)
    moments: Mapping[str, Moments] = field(default_factory=dict)
    more: Mapping[str, Ints] = field(default_factory=dict)

    @classmethod
    def none(cls, features: Iterable[str]) -> "Counts":
        """The counts of no prediction, which change nothing they are added to."""
        return cls.of(tuple(features), 0, {})

    @classmethod
    def of(
        cls,
        features: tuple[str, ...],
        rows: int,
        arrays: Mapping[str, Ints],
        tallies: Mapping[str, int] | None = None,
        moments: Mapping[str, Moments] | None = None,
    ) -> "Counts":
        """Counts from arrays by name; those that are not given are zeros."""
        shape = shapes(len(features))
        cells, scores, labels, graded = (
            arrays[name] if name in arrays else np.zeros(shape[name], np.int64) for name in FIRST
        )
        more = {name: array for name, array in arrays.items() if name not in FIRST and array.any()}
        return cls(features, rows, cells, scores, labels, graded, tallies or {}, moments or {}, more)

    def __add__(self, other: "Counts") -> "Counts":
        return self._with(other, 1)

    def __sub__(self, other: "Counts") -> "Counts":
        return self._with(other, -1)

    def _with(self, other: "Counts", sign: int) -> "Counts":
        if self.features != other.features:
            raise StorageError(
                "Counts of different features cannot be added: expected windows of one version; count them again"
            )
        signed = other.moments if sign > 0 else {name: -moments for name, moments in other.moments.items()}
        return Counts(
            self.features,
            self.rows + sign * other.rows,
            self.cells + sign * other.cells,
            self.scores + sign * other.scores,
            self.labels + sign * other.labels,
            self.graded + sign * other.graded,
            _added(self.tallies, {name: sign * n for name, n in other.tallies.items()}),
            _added(self.moments, signed),
            _added(self.more, {name: sign * array for name, array in other.more.items()}),
        )

    def __bool__(self) -> bool:
        """Whether adding them changes anything."""
        arrays = (self.cells, self.scores, self.labels, self.graded, *self.more.values())
        said = self.rows or any(self.tallies.values()) or any(self.moments.values())
        return bool(said) or any(array.any() for array in arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counts) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def array(self, name: str) -> Ints:
        """One of the arrays of `shapes`: `covered` [score cell, without or with a label], matured predictions;
        `loss` [n, mills] and by it `found` [feature, cell], `graded_leaves` [leaf, score cell], `pairs` [pair],
        `declared` [word], matured predictions with an outcome; `aged` [age of the label, n and mills], all labels;
        `leaves` [leaf, score cell], all predictions.
        """
        if name in FIRST:
            kept: Ints = getattr(self, name)
            return kept
        found = self.more.get(name)
        return np.zeros(shapes(len(self.features))[name], np.int64) if found is None else found

    def tally(self, name: str) -> int:
        return self.tallies.get(name, 0)

    def moment(self, name: str) -> Moments:
        return self.moments.get(name, Moments())

    def named(self, prefix: str) -> dict[str, int]:
        """The tallies of a family, such as `rung`, by the rest of their names."""
        start = f"{prefix}:"
        return {name.removeprefix(start): n for name, n in self.tallies.items() if name.startswith(start)}

    def light(self) -> "Counts":
        """The same without what is counted per feature, leaf and pair."""
        more = {name: array for name, array in self.more.items() if name in LIGHT}
        none = np.zeros((0, CELLS), np.int64)
        return Counts((), self.rows, none, self.scores, self.labels, self.graded, self.tallies, self.moments, more)

    def to_json(self) -> dict[str, Any]:
        """Plain values; zeros of the tallies are left out, so that equal counts are spelled alike."""
        more = {name: array.tolist() for name, array in sorted(self.more.items()) if array.any()}
        return {
            "format": FORMAT,
            "features": list(self.features),
            "rows": self.rows,
            "cells": self.cells.tolist(),
            "scores": self.scores.tolist(),
            "labels": self.labels.tolist(),
            "graded": self.graded.tolist(),
            "tallies": {k: v for k, v in sorted(self.tallies.items()) if v},
            "moments": {k: v.to_json() for k, v in sorted(self.moments.items()) if v},
            **({"more": more} if more else {}),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Counts":
        if kept.get("format", 0) > FORMAT:
            raise StorageError(
                f"A window has format {kept['format']}, this Outlast reads up to {FORMAT}: upgrade Outlast"
            )
        cells, scores, labels, graded = (np.asarray(kept[name], np.int64) for name in FIRST)
        features = tuple(kept["features"])
        moments = {name: Moments.from_json(value) for name, value in kept["moments"].items()}
        more = {name: np.asarray(value, np.int64) for name, value in kept.get("more", {}).items()}
        cells = cells.reshape(len(features), CELLS)
        return cls(features, kept["rows"], cells, scores, labels, graded, kept["tallies"], moments, more)


LIGHT = ("scores", "labels", "graded", "covered", "loss", "aged")
"""Arrays of counts that are not per feature, leaf or pair."""


def _added(mine: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Both together, name by name; what comes to nothing is left out."""
    found = dict(mine)
    for name, value in others.items():
        whole = found[name] + value if name in found else value
        if whole.any() if isinstance(whole, np.ndarray) else whole:
            found[name] = whole
        else:
            found.pop(name, None)
    return found


def merged(counts: Iterable[Counts]) -> Counts | None:
    """All counts together; None of none."""
    found = list(counts)
    return reduce(lambda a, b: a + b, found) if found else None


def cell_counts(cells: Iterable[bytes | None], features: int) -> tuple[Ints, int]:
    """[feature, cell] counts of rows of cells, and how many rows had none that fit."""
    table, sound = cell_table(list(cells), features)
    flat = table[sound].astype(np.int64) + np.arange(features, dtype=np.int64) * CELLS
    found = np.bincount(flat.ravel(), minlength=features * CELLS).reshape(features, CELLS)
    return found.astype(np.int64), int((~sound).sum())


def cell_table(given: list[bytes | None], features: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """[row, feature] cells, and which rows have cells that fit."""
    fits = np.array([row is not None and len(row) == features for row in given], bool)
    table = np.zeros((len(given), features), np.uint8)
    if features and fits.any():
        whole = b"".join(row for row, fit in zip(given, fits.tolist(), strict=True) if fit and row is not None)
        table[fits] = np.frombuffer(whole, np.uint8).reshape(-1, features)
    return table, fits & (table < CELLS).all(axis=1)


def age_buckets(seconds: npt.NDArray[np.float64]) -> Ints:
    """The bucket of each label's age; a label that was known before the decision has age 0.

    >>> age_buckets(np.array([0.0, 3600.0, 1e9])).tolist()
    [0, 1, 7]
    """
    edges = np.array([age.total_seconds() for age in AGES])
    return np.searchsorted(edges, seconds, side="right").astype(np.int64)
