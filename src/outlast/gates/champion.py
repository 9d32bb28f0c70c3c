"""The candidate against the champion, on the same rows: the candidate's own held-out test rows."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import Predictor, open_bundle
from outlast.errors import OutlastError
from outlast.gates.verdict import Check
from outlast.journal.sources import Sources
from outlast.project.contract import Contract, TrainingSection
from outlast.project.loader import Project, load_model
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.dataset import AT, KEY, questions, with_features
from outlast.training.evaluation.metrics import MAIN, better, metrics_of, with_interval
from outlast.types import Task, counted

Floats = npt.NDArray[np.float64]
_HERE = "__here"
_ENOUGH = 0.5
"""The share of the test rows that a champion of other code must still be found to answer."""


_log = logging.getLogger("outlast.gates")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a candidate is compared by: where it lies, and the contract in force now."""

    workspace: Workspace
    folder: Path | None
    contract: Contract
    candidate: Version


@dataclass(frozen=True, eq=False)
class _Side:
    bundle: Bundle
    predictor: Predictor


def no_worse(by: Comparison, champion: Version | None) -> Check:
    """Whether the candidate is better than the champion, or no worse than the contract's margin with confidence."""
    if champion is None:
        return Check("champion", True, "no version is live, so there is none to be worse than")
    if champion.digest == by.candidate.digest:
        return Check("champion", True, f"it has the bytes of the live version {champion.number}")
    try:
        return _compared(by, champion)
    except OutlastError as error:
        return _could_not(champion, str(error))
    except Exception as error:  # noqa: BLE001 - both versions' code runs here, and may raise anything
        _log.exception("%s could not be compared with version %d", by.candidate, champion.number)
        return _could_not(champion, f"{type(error).__name__}: {error}")


def _could_not(champion: Version, why: str) -> Check:
    number = champion.number
    says = f"could not be compared with version {number} ({why}): mend that, or retire version {number} first"
    return Check("champion", None, says)


def _compared(by: Comparison, champion: Version) -> Check:
    rows = _fair_rows(by, champion)
    if rows.is_empty():
        return _could_not(champion, "every test row of the one is a training row of the other")
    ours, theirs = _side(by.workspace, by.candidate), _side(by.workspace, champion)
    if _question(ours) != _question(theirs):
        return _could_not(champion, "it answers another question, its task or classes differ")
    y = rows["__y"].to_numpy()
    one = np.array(ours.predictor.score_features(rows))
    if by.candidate.code_digest == champion.code_digest:
        other, asked = np.array(theirs.predictor.score_features(rows)), np.ones(rows.height, dtype=bool)
    else:
        other, asked = _recomputed(by, theirs, rows)
    if asked.mean() < _ENOUGH:
        return _could_not(champion, f"its sources hold only {asked.sum()} of the {len(asked)} test rows")
    return _judge(by, champion, ours.predictor.task, y[asked], (one[asked], other))


def _fair_rows(by: Comparison, champion: Version) -> pl.DataFrame:
    """The candidate's test rows that the champion was not trained on either, as it may be in a split at random."""
    rows = by.workspace.tables.scan(by.candidate.summary["snapshot"]).filter(pl.col("__test"))
    theirs = by.workspace.tables.scan(champion.summary["snapshot"]).filter(~pl.col("__test"))
    learned = theirs.select(KEY, AT)
    return rows.join(learned, on=[KEY, AT], how="anti", maintain_order="left").collect()


def _side(workspace: Workspace, version: Version) -> _Side:
    bundle = open_bundle(workspace, version.digest)
    return _Side(bundle, Predictor(bundle, version.number, workspace.fresh))


def _question(side: _Side) -> tuple[str, list[str]]:
    return side.predictor.task, side.bundle.manifest["classes"]


def _recomputed(by: Comparison, side: _Side, rows: pl.DataFrame) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """A champion of other code: its own features of the rows, from the sources; and which rows are still in them."""
    model = load_model(side.bundle.code)
    contract = side.bundle.contract.model_copy(update={"training": TrainingSection()})  # questions of any time
    project = Project(by.folder or by.workspace.root, by.workspace, contract, side.bundle.code, model)
    sources = Sources(project)
    mine = rows.select(KEY, AT)
    asked = questions(project, sources).join(mine, on=[KEY, AT], how="semi", maintain_order="left")
    found = with_features(project, sources, asked).unique([KEY, AT], keep="last", maintain_order=True)
    joined = mine.join(found.with_columns(pl.lit(True).alias(_HERE)), on=[KEY, AT], how="left", maintain_order="left")
    present = joined[_HERE].fill_null(False)
    scored = side.predictor.score_features(joined.filter(present)) if present.any() else []
    return np.array(scored), present.to_numpy()


def _judge(by: Comparison, champion: Version, task: Task, y: npt.NDArray[Any], tables: tuple[Floats, Floats]) -> Check:
    gate = by.contract.gate
    name = gate.metric or MAIN[task]
    metrics = [metrics_of(task, y, table) for table in tables]
    if name not in metrics[0]:
        return Check("champion", None, f"'{name}' is not a metric of this task: expected {', '.join(metrics[0])}")
    sign = 1.0 if better(name, 1.0, 0.0) else -1.0

    def gain(weights: Floats) -> float | None:
        pair = [metric[name](weights) for metric in metrics]
        return None if pair[0] is None or pair[1] is None else sign * (pair[0] - pair[1])

    found = with_interval(gain, len(y), seed=by.candidate.number)
    if found is None:
        return Check("champion", None, f"'{name}' is not defined on the {counted(len(y), 'test row')}")
    margin = gate.margin
    passed = found["value"] >= 0 or found["low"] >= -margin
    word = "better" if found["value"] >= 0 else "worse"
    says = (
        f"{name} {abs(found['value']):.4g} {word} than version {champion.number} on the same {counted(len(y), 'row')} "
        f"({found['low']:+.4g} to {found['high']:+.4g}; margin {margin:g})"
    )
    return Check("champion", passed, says, {"metric": name, "gain": found, "margin": margin, "rows": len(y)})
