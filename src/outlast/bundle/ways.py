"""From decoded rows to scores: by the full model, or by the simpler one, which looks nothing up."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from polars.exceptions import PanicException

from outlast.bundle.answers import Answer, Rung
from outlast.bundle.format import Bundle
from outlast.bundle.frames import FEW, MANY, Frames, LookUp
from outlast.bundle.freshness import Unread
from outlast.bundle.requests import Asked
from outlast.bundle.scoring import Decision, Scoring
from outlast.bundle.steps import ended
from outlast.data.profile import Profile
from outlast.data.schema import Field
from outlast.errors import StorageError
from outlast.storage.fresh import FreshStore
from outlast.types import Task

Scored = tuple[Sequence[Sequence[Any]], list[list[float]], list[bytes]]
"""Each row's columns, scores and cells."""


Work = Callable[[list[Asked]], list[Answer]]
Fell = Callable[[list[Asked], BaseException], list[Answer]]


class Way:
    """A rung of the ladder that computes: its features, and its model."""

    def __init__(self, rung: Rung, frames: Frames, model: Scoring) -> None:
        self.rung, self.frames, self.features = rung, frames, frames.order
        self._model: Scoring | None = model

    @property
    def model(self) -> Scoring:
        if self._model is None:
            raise StorageError("This version was closed: open it again")
        return self._model

    def scored(self, asked: list[Asked], look_up: LookUp | None) -> Scored:
        """Rows one by one where that is quicker, else in one frame."""
        model, count = self.model, len(asked)
        alone = self.frames.rows(asked, MANY if model.rows else FEW) if look_up is None else None
        if alone is not None:
            scored = model.rows(alone) if model.rows else model.table(self.frames.of_rows(alone)).tolist()
            ended("model")
            return alone, scored[:count], self.frames.cells(alone, None)
        frame = self.frames.build(asked, look_up)
        scored = model.table(frame).tolist()[:count]
        ended("model")
        rows = frame.rows()[:count]
        return rows, scored, self.frames.cells(rows, frame)

    def over(self, store: FreshStore) -> "Way":
        """The same, its model shared, that looks up in another store."""
        other = copy(self)
        other.frames = self.frames.over(store)
        return other

    def close(self) -> None:
        """Let go of the model."""
        self._model = None


def ways(
    bundle: Bundle, asks: list[Field], profile: Profile, *, store: FreshStore, outcomes: int, decision: Decision
) -> tuple[Way, Way | None]:
    """A version's full model and, where it has one, its simpler one. This executes the bundle's code."""
    task: Task = bundle.manifest["task"]
    full = Frames(bundle, asks, profile, store=store)
    model = Scoring(bundle, task, outcomes, decision=decision)
    if "simpler" not in bundle.manifest:
        return Way("full", full, model), None
    frames = Frames(bundle, asks, profile, store=store, simpler=True)
    simpler = Scoring(bundle, task, outcomes, decision=decision, simpler=True)
    return Way("full", full, model), Way("simpler", frames, simpler)


def each(asked: list[Asked], work: Work, fell: Fell, *, parts: int) -> list[Answer]:
    """What some work gives for rows; `fell` is asked about those that it fails on, which cost no other row its answer.

    They are found by halving. After so many parts whatever still fails falls together: a model that fails on every
    row of a long file is not tried on each.
    """
    left = parts

    def tried(rows: list[Asked]) -> list[Answer]:
        nonlocal left
        try:
            return work(rows)
        except (Exception, PanicException) as error:  # noqa: BLE001 - model and functions are the user's: anything may come
            if len(rows) == 1 or left <= 0 or isinstance(error, Unread):
                return fell(rows, error)
        left -= 1
        middle = len(rows) // 2
        return tried(rows[:middle]) + tried(rows[middle:])

    return tried(asked)
