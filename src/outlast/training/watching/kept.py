"""What a version carries for the watch: its profile, its past, the digests of its features, whose bins it took."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import reads_columns, threshold
from outlast.data import profile as profiles
from outlast.data.past import FILE, LossScale, Past, Reference, past_of, to_bytes
from outlast.data.past.loss import fitted
from outlast.features.digests import feature_digests
from outlast.registry.bins import Frozen
from outlast.training.dataset import AT
from outlast.training.evaluation.value import Scored, column, decide_all
from outlast.training.simpler.rung import Run
from outlast.training.watching.bins import kept_on, lineage_of_bins
from outlast.training.watching.declared import declared
from outlast.training.watching.harm import harm_tree, looked_at, worst_pairs
from outlast.types import Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
PROFILE = "profile.json"


@dataclass(frozen=True, eq=False)
class Watched:
    """What a run adds to its bundle, its manifest and its lineage."""

    files: dict[str, bytes]
    manifest: dict[str, Any]
    lineage: dict[str, Any]


def watched(run: Run, frozen: Frozen) -> Watched:
    """What the watch needs of a fitted model; features of equal digest are counted in the frozen bins."""
    dataset, tested = run.dataset, run.tested
    reference = dataset.x.filter(pl.Series(run.train_rows))
    scores = scored_by(dataset.task, tested.table)
    edge = threshold(tested.contract) if dataset.task == "binary" else None
    own = profiles.build(reference, scores, threshold=edge)
    digests = feature_digests(run.project.model, dataset.x)
    bins, origins = kept_on(own.features, frozen, digests, reference)
    profile = msgspec.structs.replace(own, features=bins)
    past = _past(run, profile, scores)
    files = {PROFILE: profiles.to_json(profile), FILE: to_bytes(past)}
    return Watched(files, {"feature_digests": digests}, lineage_of_bins(origins))


def scored_by(task: Task, table: Floats) -> Floats:
    """The one score of each row: of yes, the amount, or of the likeliest class."""
    column = {"binary": 1, "regression": 0}.get(task)
    return np.asarray(table.max(axis=1) if column is None else table[:, column], dtype=np.float64)


def loss_scale(tested: Scored) -> LossScale:
    """The scale of a version's loss, its span by what the held-out rows lost."""
    value = tested.contract.value
    kind = LossScale("error", tested.outcomes)
    if tested.task == "regression":
        kind = LossScale("squared") if value.per_unit_error is None else LossScale("unit", unit=value.per_unit_error)
    elif value.payoff:
        kind = LossScale("columns" if reads_columns(tested.contract) else "payoff", tested.outcomes, value.payoff)
    return fitted(kind, *_known(tested), lambda name: column(tested.rows, name))


def _past(run: Run, profile: profiles.Profile, scores: Floats) -> Past:
    scale = loss_scale(run.tested)
    lost = scale.mills(*_known(run.tested), lambda name: column(run.tested.rows, name))
    rows, told = _reference(run.tested, profile, scores, lost), lost >= 0
    places = looked_at(len(rows.at), run.seed)
    cells, mills = rows.cells[places], rows.mills[places]
    slices = run.tested.contract.monitoring.slices
    words = declared(slices, run.tested.rows.filter(pl.Series(told)), lost[told], profile)
    learnt = scale, harm_tree(cells, mills), worst_pairs(cells, mills)

    def every() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        return run.dataset.rows[AT].to_numpy(), profiles.cells(profile, run.dataset.x)

    return past_of(tuple(profile.names), rows, learnt, every=every, seed=run.seed, declared=words)


def _reference(tested: Scored, profile: profiles.Profile, scores: Floats, mills: Ints) -> Reference:
    """The held-out rows, those left out whose loss cannot be told."""
    answers = np.zeros(len(scores), np.int64)
    sides = tested.y >= scores
    if tested.task != "regression":
        answers = tested.table.argmax(axis=1).astype(np.int64)
        sides = tested.y == (1 if tested.task == "binary" else answers)
    at, told = tested.rows[AT].to_numpy().astype(np.int64), mills >= 0
    cells, placed = profiles.cells(profile, tested.rows), profiles.score_cells(profile, scores)
    outcomes = tested.y.astype(np.float64)
    return Reference(at, cells, placed, scores, outcomes, answers, sides.astype(np.int64), mills).part(told)


def _known(tested: Scored) -> tuple[Any, Any]:
    """What was decided and what happened, in the words of the journal."""
    if tested.task == "regression":
        return tested.table[:, 0], tested.y
    return decide_all(tested), [tested.outcomes[code] for code in tested.y.tolist()]
