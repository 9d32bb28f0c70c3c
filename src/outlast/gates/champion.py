"""The candidate against the champion, on the same rows: the candidate's own held-out test rows."""

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
from outlast.project.loader import Project, load_model
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.dataset import KEY, questions, with_features
from outlast.training.metrics import MAIN, better, metrics_of, with_interval
from outlast.training.sources import Sources

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Side:
    bundle: Bundle
    predictor: Predictor


def no_worse(workspace: Workspace, folder: Path | None, candidate: Version, champion: Version | None) -> Check:
    """Whether the candidate is better than the champion, or no worse than the contract's margin with confidence."""
    if champion is None:
        return Check("champion", True, "no version is live, so there is none to be worse than")
    if champion.digest == candidate.digest:
        return Check("champion", True, f"it has the bytes of the live version {champion.number}")
    try:
        return _compared(workspace, folder, candidate, champion)
    except OutlastError as error:
        return Check("champion", None, f"could not be compared with version {champion.number}: {error}")


def _compared(workspace: Workspace, folder: Path | None, candidate: Version, champion: Version) -> Check:
    rows = workspace.tables.scan(candidate.summary["snapshot"]).filter(pl.col("__test")).collect()
    ours, theirs = _side(workspace, candidate), _side(workspace, champion)
    if _question(ours) != _question(theirs):
        says = f"version {champion.number} answers another question: its task or classes differ"
        return Check("champion", None, says)
    y = rows["__y"].to_numpy()
    one = np.array(ours.predictor.score_features(rows))
    other, asked = _champion_scores(workspace, folder, theirs, rows, candidate.code_digest == champion.code_digest)
    return _judge(candidate, champion, ours.predictor, y[asked], (one[asked], other))


def _side(workspace: Workspace, version: Version) -> _Side:
    bundle = open_bundle(workspace, version.digest)
    return _Side(bundle, Predictor(bundle, version.number, workspace.fresh))


def _question(side: _Side) -> tuple[str, list[str]]:
    return side.predictor.task, side.bundle.manifest["classes"]


def _champion_scores(
    workspace: Workspace, folder: Path | None, side: _Side, rows: pl.DataFrame, same_code: bool
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The champion's scores, and which of the rows it could be asked about."""
    if same_code:
        return np.array(side.predictor.score_features(rows)), np.ones(rows.height, dtype=bool)
    model = load_model(side.bundle.code)
    project = Project(folder or workspace.root, workspace, side.bundle.contract, side.bundle.code, model)
    sources = Sources(project)
    asked = questions(project, sources).filter(pl.col(KEY).is_in(rows[KEY].implode()))
    found = with_features(project, sources, asked).unique(KEY, keep="last")
    joined = rows.select(KEY).join(found, on=KEY, how="left", maintain_order="left")
    present = joined[KEY].is_in(found[KEY].implode()).to_numpy()
    return np.array(side.predictor.score_features(joined.filter(pl.Series(present)))), present


def _judge(
    candidate: Version, champion: Version, predictor: Predictor, y: npt.NDArray[Any], tables: tuple[Floats, Floats]
) -> Check:
    contract = predictor.contract
    name = contract.gate.metric or MAIN[predictor.task]
    metrics = [metrics_of(predictor.task, y, table) for table in tables]
    if name not in metrics[0]:
        return Check("champion", None, f"'{name}' is not a metric of this task: expected {', '.join(metrics[0])}")
    sign = 1.0 if better(name, 1.0, 0.0) else -1.0

    def gain(weights: Floats) -> float | None:
        pair = [metric[name](weights) for metric in metrics]
        return None if pair[0] is None or pair[1] is None else sign * (pair[0] - pair[1])

    found = with_interval(gain, len(y), seed=candidate.number)
    if found is None:
        return Check("champion", None, f"'{name}' is not defined on the {len(y)} test rows")
    margin = contract.gate.margin
    passed = found["value"] >= 0 or found["low"] >= -margin
    word = "better" if found["value"] >= 0 else "worse"
    says = (
        f"{name} {abs(found['value']):.4g} {word} than version {champion.number} on the same {len(y)} rows "
        f"({found['low']:+.4g} to {found['high']:+.4g}; margin {margin:g})"
    )
    return Check("champion", passed, says, {"metric": name, "gain": found, "margin": margin, "rows": len(y)})
