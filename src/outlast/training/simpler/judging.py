"""Which candidate becomes the simpler model: the best on training rows that it was not fitted on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.estimator import Floats, given_as, scores
from outlast.errors import DataError, OutlastError, TrainingError
from outlast.project.loader import Project
from outlast.training.dataset import Dataset
from outlast.training.evaluation.metrics import MAIN, better, metrics_of
from outlast.training.simpler.candidates import Candidate
from outlast.training.splitting import split_rows
from outlast.types import Task

ROWS = 40_000
"""Training rows that candidates are compared on; the chosen one learns from all of them."""
Chosen = npt.NDArray[np.bool_]
Teacher = Callable[[pl.DataFrame], Floats]


@dataclass(frozen=True, eq=False)
class Judged:
    """The candidates, best first, with the figure each reached, and why some could not be fitted."""

    order: list[Candidate]
    metric: str
    figures: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Ground:
    """Where candidates compete: the rows, the columns they may see, and the full model that teaches."""

    project: Project
    dataset: Dataset
    features: tuple[str, ...]
    teacher: Teacher
    seed: int

    def fitted(self, candidate: Candidate) -> Any:
        """A candidate fitted on all these rows."""
        rows = self.dataset.rows
        return candidate.fit(rows.select(self.features), self.dataset.y, lambda: self.teacher(rows))


def judged(on: Ground, candidates: Sequence[Candidate]) -> Judged:
    """Candidates fitted on a part of the training rows and ordered by the main metric on the rest."""
    task = on.dataset.task
    name = on.project.contract.gate.metric or MAIN[task]
    few = replace(on, dataset=_some(on.dataset))
    try:
        learn, test = split_rows(on.project, few.dataset, on.seed)
    except (DataError, TrainingError) as error:
        return Judged(list(candidates), name, failed={"comparison": str(error)})
    learning, testing = replace(few, dataset=part(few.dataset, learn)), part(few.dataset, test)
    figures, failed = {}, {}
    for candidate in candidates:
        try:
            table = said_of(learning.fitted(candidate), candidate, testing.rows.select(on.features), testing)
        except OutlastError as error:
            failed[candidate.name] = str(error)
            continue
        figures[candidate.name] = _figure(task, name, testing.y, table)
    known = [candidate for candidate in candidates if candidate.name in figures]
    best = sorted(known, key=lambda one: _rank(name, figures[one.name]))
    return Judged(best, name, {k: v for k, v in figures.items() if v is not None}, failed)


def part(dataset: Dataset, chosen: Chosen) -> Dataset:
    """Some rows of a dataset."""
    return replace(dataset, rows=dataset.rows.filter(pl.Series(chosen)), y=dataset.y[chosen])


def said_of(estimator: Any, candidate: Candidate, x: pl.DataFrame, dataset: Dataset) -> Floats:
    """What a fitted candidate says of rows that it has not seen."""
    try:
        return scores(estimator, given_as(x, pandas=candidate.pandas), dataset.task, len(dataset.classes))
    except OutlastError:
        raise
    except Exception as error:  # the estimator may be the user's and may raise anything
        said = str(error).strip().replace("\n", " ")
        raise TrainingError(f"it cannot predict rows it has not seen: {type(error).__name__}: {said}") from error


def _some(dataset: Dataset) -> Dataset:
    """Rows spread over the whole, in their order."""
    if dataset.rows.height <= ROWS:
        return dataset
    places = np.linspace(0, dataset.rows.height - 1, ROWS).astype(int)
    return replace(dataset, rows=dataset.rows[places], y=dataset.y[places])


def _figure(task: Task, name: str, y: npt.NDArray[Any], table: Floats) -> float | None:
    metrics = metrics_of(task, y, table)
    return metrics.get(name, metrics[MAIN[task]])(np.ones(len(y)))


def _rank(name: str, figure: float | None) -> float:
    """Smaller is better; the first of equal ones stays first."""
    if figure is None:
        return 0.0
    return figure if better(name, 0.0, 1.0) else -figure
