"""Which answers to label where nothing else tells what they lose: some of each place, always the same ones.

Rows unlike any of the reference have a place for each cell that is strange, all others one for each score cell. Each
place gives as many as the others, as far as it has them, so that what is rare is known as well as what is common.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.data.profile import CELLS, score_cells
from outlast.errors import NotFound
from outlast.journal.columns import LABELS, PREDICTIONS, Kind
from outlast.monitoring.causes.account import LABELLED
from outlast.monitoring.causes.words import rows_where
from outlast.monitoring.counting.counts import Ints, cell_table
from outlast.monitoring.estimating.ratio import rare
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace

MOST = 50_000
"""Answers that are looked at, the first by their hashes: what a thousandth of them has is found among these."""
_ID, _KEY = "prediction_id", "key"


def to_label(workspace: Workspace, incident: Incident, subject: Subject, rows: int = LABELLED) -> pl.DataFrame:
    """Answers since an incident began that have no label: what was asked, and `where`, the place each stands for."""
    asked = _unlabelled(workspace, incident)
    places = _places(asked, subject)
    chosen = _in_turn(places)[:rows]
    where = pl.Series("where", [_words(int(place), subject) for place in places[chosen]], dtype=pl.String)
    picked = asked[chosen].select(_ID, _KEY, "decide_at", "asks")
    return picked.with_columns(where, pl.lit(None, pl.String).alias("label"))


def _unlabelled(workspace: Workspace, incident: Incident) -> pl.DataFrame:
    """Full answers without a label, in the order of their hashes."""
    asked, told = (_table(workspace, kind, incident.model) for kind in (PREDICTIONS, LABELS))
    mine = (
        (pl.col("version") == incident.version) & (pl.col("decide_at") >= incident.since) & (pl.col("rung") == "full")
    )
    asked = asked.filter(mine)
    for name in (_ID, _KEY):
        known = told.select(name).drop_nulls().unique()
        asked = asked.join(known, on=name, how="anti")
    ids = asked.select(_ID).collect()[_ID].unique().to_list()
    first = sorted(ids, key=lambda one: hashlib.blake2b(one.encode(), digest_size=16).digest())[:MOST]
    wanted = pl.DataFrame({_ID: first}, schema={_ID: pl.String}).with_row_index("turn")
    rows = asked.join(wanted.lazy(), on=_ID).unique(_ID, keep="first").sort("turn")
    return rows.select(_ID, _KEY, "decide_at", "asks", "cells", "score").collect()


def _table(workspace: Workspace, kind: Kind, model: str) -> pl.LazyFrame:
    try:
        return workspace.tables.scan(kind.stream(model))
    except NotFound:
        return kind.empty().lazy()


def _places(asked: pl.DataFrame, subject: Subject) -> Ints:
    """The place of each answer: its first strange cell, counted over all features, else the cell of its score."""
    features, past = len(subject.profile.features), subject.past
    scores = asked["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    found = np.full(asked.height, (features + 1) * CELLS, np.int64)
    scored = np.isfinite(scores)
    if subject.profile.scores is not None and scored.any():
        found[scored] = features * CELLS + score_cells(subject.profile, scores[scored])
    if past is None:
        return found
    table, sound = cell_table(asked["cells"].to_list(), features)
    for feature in reversed(range(features)):
        strange = rare(past.totals.by_cell[feature, :, 0])[table[:, feature] % CELLS] & sound
        found[strange] = feature * CELLS + table[strange, feature].astype(np.int64)
    return found


def _in_turn(places: Ints) -> npt.NDArray[np.intp]:
    """One answer of each place, then the next of each, and so on; those that come first of a place go first."""
    turn = np.zeros(len(places), np.int64)
    for place in np.unique(places):
        mine = np.flatnonzero(places == place)
        turn[mine] = np.arange(len(mine))
    return np.lexsort((places, turn))


def _words(place: int, subject: Subject) -> str:
    feature, cell = divmod(place, CELLS)
    every = [*subject.profile.features, *([] if subject.profile.scores is None else [subject.profile.scores])]
    return rows_where(every[feature], [cell]) if feature < len(every) else "any score"
