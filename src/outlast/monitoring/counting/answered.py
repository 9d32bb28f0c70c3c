"""Predictions of one version as arrays: what of the journal's rows counting needs, each column read once."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.journal.spelling import from_text, read_back
from outlast.monitoring.counting.counts import Ints, cell_table
from outlast.types import Task

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ScoreCells = Callable[[Floats], npt.NDArray[Any]]

ABSENT = object()
"""Stands for a column that a prediction was kept without."""


class Answered:
    """Columns of predictions. Of several classes the score is the greatest, and `classes` the likeliest."""

    def __init__(self, rows: pl.DataFrame, task: Task, features: int, score_cells: ScoreCells | None) -> None:
        self.rows, self.task, self._features = rows, task, features
        self.decided: Ints = rows["decide_at"].dt.epoch("us").to_numpy()
        self.decisions: list[Any] = rows["decision"].to_list()
        self.full: Bools = (rows["rung"] == "full").fill_null(False).to_numpy()
        self.scored: Bools = np.isfinite(self.scores) & self.full
        self.score_cells: Ints = np.full(rows.height, -1, np.int64)
        if score_cells is not None and self.scored.any():
            self.score_cells[self.scored] = score_cells(self.scores[self.scored])

    def __len__(self) -> int:
        return self.rows.height

    @cached_property
    def cells(self) -> tuple[npt.NDArray[np.uint8], Bools]:
        """[row, feature], and which rows have cells that fit the profile."""
        return cell_table(self.rows["cells"].to_list(), self._features)

    @cached_property
    def chances(self) -> list[dict[str, float]]:
        """What each class was given, of several classes."""
        return [_chances(text) for text in self.rows["scores"].to_list()]

    @cached_property
    def scores(self) -> Floats:
        if self.task != "multiclass":
            return self.rows["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        tops = zip(self.chances, self.classes, strict=True)
        return np.array([float("nan") if top is None else chances[top] for chances, top in tops], np.float64)

    @cached_property
    def classes(self) -> list[str | None]:
        if self.task != "multiclass":
            return [None] * len(self)
        return [max(chances, key=lambda name: chances[name]) if chances else None for chances in self.chances]

    def columns(self, names: Sequence[str], places: Ints) -> dict[str, list[Any]]:
        """Columns of what was asked and computed, of some rows; ABSENT where a row was kept without."""
        found: dict[str, list[Any]] = {}
        if not names:
            return found
        picked = [_picked(self.rows[of].gather(places).to_list(), names) for of in ("asks", "features")]
        for index, name in enumerate(names):
            asked, computed = (part[index] for part in picked)
            found[name] = [b if a is ABSENT else a for a, b in zip(asked, computed, strict=True)]
        return found


def _chances(scores: str | None) -> dict[str, float]:
    return {} if scores is None else {name: chance for name, chance in from_text(scores).items() if chance is not None}


def _picked(texts: Sequence[str | None], names: Sequence[str]) -> list[list[Any]]:
    """The values under some names of JSON texts, without reading the others."""
    slots = [f"f{index}" for index in range(len(names))]
    fields: list[tuple[str, Any, Any]] = [(slot, Any, msgspec.UNSET) for slot in slots]
    rename: Mapping[str, str] = dict(zip(slots, names, strict=True))
    decode = msgspec.json.Decoder(msgspec.defstruct("Picked", fields, rename=rename)).decode
    empty = msgspec.defstruct("Nothing", fields)()
    rows = [empty if text is None else decode(text) for text in texts]
    return [[_value(getattr(row, slot)) for row in rows] for slot in slots]


def _value(value: Any) -> Any:
    if value is msgspec.UNSET:
        return ABSENT
    return read_back(value) if isinstance(value, dict | list) else value
