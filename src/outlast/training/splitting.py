"""Which rows train and which test: by time, by group, or at random; the same for the same seed."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from outlast.errors import DataError, TrainingError
from outlast.project.loader import Project
from outlast.training.dataset import AT, GROUP, LABEL_AT, Dataset
from outlast.types import counted, micros

Mask = npt.NDArray[np.bool_]
Split = tuple[Mask, Mask]
"""Which rows train, and which test."""


def split_kind(project: Project) -> str:
    """How rows are split: as the contract says, or by time where there is one."""
    return project.contract.training.split or ("random" if project.model.question.time is None else "time")


def split_rows(project: Project, dataset: Dataset, seed: int) -> Split:
    """Which rows train and which test. By time, a row trains only if its label was known when the test begins."""
    train, test = _split(project, dataset, seed)
    train &= _kept(project, dataset, seed)
    return _both_filled(dataset, train, test, split_kind(project))


def _kept(project: Project, dataset: Dataset, seed: int) -> Mask:
    """Which rows may train where old ones are to count less: any `fit` can be given fewer of them."""
    period = project.period
    if period is None or period.half_life is None:
        return np.ones(dataset.rows.height, dtype=np.bool_)
    if project.model.question.time is None:
        raise TrainingError(
            "outlast.toml: 'retraining.window' weighs rows by their age, but the questions have no time: "
            'give Source(…, time=…), or use = "all"'
        )
    age = np.maximum(micros(period.until) - dataset.rows[AT].to_numpy(), 0)
    chance = 0.5 ** (age / (period.half_life / timedelta(microseconds=1)))
    drawn: Mask = np.random.default_rng([seed, 1]).random(dataset.rows.height) < chance
    return drawn


def _split(project: Project, dataset: Dataset, seed: int) -> Split:
    how, period = split_kind(project), project.period
    holdout = project.contract.training.holdout
    if period is not None and period.holdout is not None:
        holdout = period.holdout
    if how == "random":
        test = np.random.default_rng(seed).random(dataset.rows.height) < holdout
        return ~test, test
    if how == "group":
        test = _whole_groups(dataset, holdout, seed)
        return ~test, test
    if project.model.question.time is None:
        raise TrainingError(
            "outlast.toml: 'training.split' is \"time\", but the questions have no time: "
            "give Source(…, time=…), or split at random"
        )
    at = dataset.rows[AT].to_numpy()
    begin = np.quantile(at, 1 - holdout, method="lower")
    test = at >= begin
    return ~test & (dataset.rows[LABEL_AT].to_numpy() < begin), test


def _whole_groups(dataset: Dataset, holdout: float, seed: int) -> Mask:
    """The rows of some groups, drawn one after the other until they are as many as are held out, or nearest to it."""
    names, place, rows = np.unique(dataset.rows[GROUP].to_numpy(), return_inverse=True, return_counts=True)
    drawn = np.random.default_rng(seed).permutation(len(names))
    until = np.abs(np.cumsum(rows[drawn]) - holdout * dataset.rows.height).argmin() + 1
    return np.isin(place, drawn[:until])


def _both_filled(dataset: Dataset, train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_], how: str) -> Split:
    if not train.any() or not test.any():
        raise TrainingError(
            f"Splitting by {how} leaves {counted(int(train.sum()), 'row')} to train and {int(test.sum())} to test: "
            "both need some; change [training] holdout, or bring more labelled rows"
        )
    learnt = set() if dataset.task == "regression" else set(dataset.y[train].tolist())
    if len(learnt) == 1:
        raise DataError(
            f"Splitting by {how} leaves {counted(int(train.sum()), 'row')} to train, all of class "
            f"'{dataset.classes[learnt.pop()]}': the others come only in the rows to test; "
            "change [training] since, split or holdout, or bring rows of the others"
        )
    return train, test
