"""The simpler model of a version: chosen, fitted on all training rows, tested beside the full one, and packed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.plan import PLAN, TREES
from outlast.bundle.scoring import SIMPLER
from outlast.errors import OutlastError
from outlast.features.functions import wants_pandas
from outlast.project.loader import Project
from outlast.training.compiling.compiling import compiled_form
from outlast.training.dataset import Dataset
from outlast.training.evaluation.metrics import MAIN, better, measure, metrics_of, with_interval
from outlast.training.evaluation.value import Scored, value_of, worths
from outlast.training.fitting import evaluated, fit, pickled
from outlast.training.simpler.candidates import Candidate, Labels, distilled, house
from outlast.training.simpler.columns import Alone, columns_alone
from outlast.training.simpler.judging import Ground, Judged, judged, part, said_of

Floats = npt.NDArray[np.float64]
_FILES = {PLAN: SIMPLER.plan, TREES: SIMPLER.trees}


@dataclass(frozen=True, eq=False)
class Run:
    """What a training run has when the full model is fitted; the parameters of an adopted one's fit are None."""

    project: Project
    dataset: Dataset
    estimator: Any
    tested: Scored
    train_rows: npt.NDArray[np.bool_]
    seed: int
    parameters: Mapping[str, Any] | None


@dataclass(frozen=True, eq=False)
class Simpler:
    """What a version gains: parts of its bundle, its manifest, its summary and its lineage; nothing without a rung."""

    files: dict[str, bytes] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    tested: Scored | None = None


def wanted(project: Project) -> bool:
    """Whether the contract's ladder names a simpler model."""
    return "simpler" in (project.contract.serving.ladder or [])


def simpler_model(run: Run) -> Simpler:
    """The simpler model of a run, or why there is none."""
    project = run.project
    if not wanted(project):
        return Simpler()
    if not project.model.lookups:
        return _none("the full model looks nothing up: no second one was trained")
    alone = columns_alone(project.model, run.dataset)
    unknown = [name for name in _payoff_columns(run.tested) if name not in alone.features]
    if unknown:
        return _none(f"none: payoffs read '{unknown[0]}', which is not known without what is looked up")
    ground = Ground(project, part(run.dataset, run.train_rows), alone.features, _teacher(run), run.seed)
    found = judged(ground, _candidates(run))
    for place, candidate in enumerate(found.order):
        try:
            estimator = ground.fitted(candidate)
            table = said_of(estimator, candidate, run.tested.rows.select(alone.features), run.dataset)
        except OutlastError as error:
            found.failed[candidate.name] = str(error)
            continue
        return _packed(run, alone, found, (found.order[place], estimator, table))
    says = "; ".join(f"{name}: {why}" for name, why in found.failed.items())
    return _none(f"none could be fitted: {says}")


def _none(says: str) -> Simpler:
    return Simpler(summary={"simpler": {"says": says}})


def _payoff_columns(tested: Scored) -> list[str]:
    payoff = tested.contract.value.payoff or {}
    return sorted({amount for row in payoff.values() for amount in row.values() if isinstance(amount, str)})


def _teacher(run: Run) -> Any:
    def says(rows: pl.DataFrame) -> Floats:
        task, classes = run.dataset.task, len(run.dataset.classes)
        return evaluated(run.project.model, run.estimator, rows.select(run.dataset.features), task, classes)

    return says


def _candidates(run: Run) -> list[Candidate]:
    model, task = run.project.model, run.dataset.task
    seed, threads = run.seed, run.project.contract.training.threads

    def own(x: pl.DataFrame, y: Labels, _: Any) -> Any:
        return fit(model, x, y, seed=seed, threads=threads, parameters=run.parameters)

    mine = [Candidate("own fit", "the project's fit on the columns left", wants_pandas(model.fit), own)]
    return [*(mine if run.parameters is not None else []), house(task, seed, threads), distilled(task, seed, threads)]


def _packed(run: Run, alone: Alone, found: Judged, made: tuple[Candidate, Any, Floats]) -> Simpler:
    candidate, estimator, table = made
    full, seed = run.tested, run.seed
    tested = Scored(full.contract, full.task, full.classes, full.rows, table, full.y)
    form = compiled_form(estimator, tested, alone.features, pandas=candidate.pandas, seed=seed)
    files = {_FILES[name]: data for name, data in form.files.items()}
    chosen = {
        "candidate": candidate.name,
        "why": _why(candidate, found),
        "features": list(alone.features),
        "left_out": alone.left_out,
        "judged": {"metric": found.metric, "figures": found.figures, "failed": found.failed},
    }
    figures = {
        "metrics": measure(full.task, full.y, table, seed),
        "value": value_of(tested, seed),
        "costs": costs(full, tested, run.project.contract.gate.metric, seed),
        "compiled": form.summary(),
    }
    manifest = {
        "features": list(alone.features),
        "functions": list(alone.functions),
        "places": list(alone.places),
        "pandas": candidate.pandas,
    }
    return Simpler(
        {SIMPLER.native: pickled(run.project.model, estimator), **files},
        {"simpler": manifest},
        {"simpler": {**chosen, **figures}},
        {"simpler": chosen},
        tested,
    )


def _why(candidate: Candidate, found: Judged) -> str:
    if candidate.name not in found.figures:
        return f"{candidate.what}: the candidates could not be compared on training rows"
    others = [f"{name} {value:.4g}" for name, value in found.figures.items() if name != candidate.name]
    others += [f"{name} could not be fitted" for name in found.failed]
    beside = f"; {', '.join(others)}" if others else ""
    return f"{candidate.what}: {found.metric} {found.figures[candidate.name]:.4g} on training rows held out{beside}"


def costs(full: Scored, simpler: Scored, metric: str | None, seed: int) -> dict[str, Any]:
    """What an answer by the simpler model loses beside one by the full model, on the same rows; a gain is negative."""
    name = metric or MAIN[full.task]
    pair = [metrics_of(full.task, one.y, one.table) for one in (full, simpler)]
    if name not in pair[0]:
        name = MAIN[full.task]
    sign = 1.0 if better(name, 1.0, 0.0) else -1.0

    def loss(weights: Floats) -> float | None:
        one, other = (metrics[name](weights) for metrics in pair)
        return None if one is None or other is None else sign * (one - other)

    lost = with_interval(loss, len(full.y), seed)
    return {"metric": name, "loss": lost, "value": _money(full, simpler, seed)}


def _money(full: Scored, simpler: Scored, seed: int) -> dict[str, Any] | None:
    both = worths(full), worths(simpler)
    if both[0] is None or both[1] is None:
        return None
    lost = both[0][0] - both[1][0]
    found = with_interval(lambda w: float((lost * w).sum() / w.sum()) if w.sum() else None, len(lost), seed)
    assert found is not None
    named = {"per_decision": found["value"], "low": found["low"], "high": found["high"]}
    return {**named, "per_1000": 1000 * found["value"], "currency": full.contract.value.currency}
