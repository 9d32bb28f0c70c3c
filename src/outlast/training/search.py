"""A small search for fit's parameters: trials judged on a part of the rows to train, never on those that test."""

import inspect
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import polars as pl

from outlast.errors import ContractError, DataError, TrainingError, nearest
from outlast.project.declare import Model
from outlast.project.loader import Project
from outlast.training.dataset import Dataset
from outlast.training.evaluation.metrics import better, metrics_of
from outlast.training.evaluation.slices import metric_of
from outlast.training.fitting import evaluated, fit
from outlast.training.splitting import Mask, Split, split_rows
from outlast.training.steps import Steps

Parameters = dict[str, Any]
_GIVEN = ("seed",)


@dataclass(frozen=True)
class Searched:
    """What a search chose, and what it tried as it is kept in the summary; nothing where the contract names none."""

    chosen: Parameters = field(default_factory=dict)
    summary: dict[str, Any] | None = None


def require_parameters(project: Project) -> None:
    """Refuse a search over what fit does not take, before any work is done."""
    model: Model = project.model
    taken = inspect.signature(model.fit).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values()):
        return
    known = [name for name in list(taken)[2:] if name not in _GIVEN]
    for name in project.contract.training.search:
        if name not in known:
            said = nearest(name, known) if known else f"it takes {', '.join(taken)}"
            raise ContractError(
                f"outlast.toml: 'training.search' tries '{name}', which fit of model '{model.name}' does not take: "
                f"{said}. Example: def fit(x, y, seed, {name}={project.contract.training.search[name][0]!r})"
            )


def search(project: Project, dataset: Dataset, train_rows: Mask, *, seed: int, steps: Steps) -> Searched:
    """The parameters whose trial was best on rows held out of those to train, the first of equal ones."""
    contract = project.contract.training
    if not contract.search:
        return Searched()
    among = replace(dataset, rows=dataset.rows.filter(pl.Series(train_rows)), y=dataset.y[train_rows])
    split, metric = _split(project, among, seed), metric_of(project.contract, dataset.task)
    tries = combinations(contract.search, contract.trials, seed)
    trials: list[dict[str, Any]] = []
    for number, parameters in enumerate(tries, start=1):
        step = _step(number, len(tries), parameters)
        with steps.step(step):
            value = _tried(project, among, split, parameters, metric, seed)
        trials.append({"parameters": parameters, "value": value, "step": step})
    known = [place for place, trial in enumerate(trials) if trial["value"] is not None]
    if not known:
        raise DataError(
            f"No trial of 'training.search' can be judged: {metric} is not defined on the {int(split[1].sum())} rows "
            "that judge them; bring more labelled rows, or leave the search out"
        )
    best = known[0]
    for place in known[1:]:
        best = place if better(metric, trials[place]["value"], trials[best]["value"]) else best
    rows = {"train": int(split[0].sum()), "judge": int(split[1].sum())}
    of = prod(len(values) for values in contract.search.values())
    chosen: Parameters = trials[best]["parameters"]
    summary = {"metric": metric, "rows": rows, "combinations": of, "trials": trials, "best": best, "chosen": chosen}
    return Searched(chosen, summary)


def _step(number: int, of: int, parameters: Parameters) -> str:
    """What the step of a trial is called; its seconds are in the timings under this name."""
    return f"trial {number} of {of}: " + ", ".join(f"{name}={value}" for name, value in parameters.items())


def combinations(values: dict[str, list[Any]], most: int, seed: int) -> list[Parameters]:
    """Every combination, or as many of them as asked, drawn without repeating one, in order."""
    sizes = [len(tried) for tried in values.values()]
    total = prod(sizes)
    places = list(range(total)) if total <= most else _drawn(total, most, seed)
    found = []
    for place in places:
        at: list[int] = []
        for size in reversed(sizes):
            place, digit = divmod(place, size)
            at.insert(0, digit)
        found.append({name: tried[digit] for (name, tried), digit in zip(values.items(), at, strict=True)})
    return found


def parameters_of(estimator: Any) -> Parameters:
    """What a fitted estimator says it was made with, as far as it is plain values."""
    ask = getattr(estimator, "get_params", None)
    if ask is None:
        return {}
    try:
        found = dict(ask())
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        return {}  # some wrappers say that they have parameters and cannot tell them
    plain = {str(name): value for name, value in found.items() if isinstance(value, bool | int | float | str | None)}
    return {name: value if value == value else "nan" for name, value in sorted(plain.items())}


def _drawn(total: int, most: int, seed: int) -> list[int]:
    rng, found = np.random.default_rng(seed), set[int]()
    while len(found) < most:
        found.add(int(rng.integers(total)))
    return sorted(found)


def _split(project: Project, among: Dataset, seed: int) -> Split:
    """The rows to train, divided once more in the way in which the test rows were kept apart."""
    try:
        return split_rows(project, among, seed)
    except (DataError, TrainingError) as error:
        raise type(error)(f"'training.search' needs a part of the rows to train to judge trials by. {error}") from None


def _tried(
    project: Project, among: Dataset, split: Split, parameters: Parameters, metric: str, seed: int
) -> float | None:
    model, x, (learn, judge) = project.model, among.x, split
    estimator = fit(model, x.filter(pl.Series(learn)), among.y[learn], seed=seed,
                    threads=project.contract.training.threads, parameters=parameters)  # fmt: skip
    table = evaluated(model, estimator, x.filter(pl.Series(judge)), among.task, len(among.classes))
    return metrics_of(among.task, among.y[judge], table)[metric](np.ones(int(judge.sum())))
