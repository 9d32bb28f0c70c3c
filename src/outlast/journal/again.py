"""The answers that a request got before, found by the name its caller gave it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from outlast.bundle.answers import Answer
from outlast.errors import NotFound
from outlast.journal.columns import PREDICTIONS, SEGMENT
from outlast.journal.spelling import from_text
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.types import Named, Task, micros, moment

_AROUND = timedelta(hours=1)
"""How far the moment of an answer may lie from that at which its request's name was taken."""


@dataclass(frozen=True)
class Before:
    """The answers of a request, in the order of its rows, and the version that gave them."""

    version: int
    answers: list[Answer]


def answered_before(workspace: Workspace, model: str, name: Named, *, task: Task, near: int) -> Before | None:
    """The first answers to a request under this name that asked the same; None where the journal has none.

    `near` is when the name was taken, in microseconds: of the table only files around that moment are read.
    """
    found = [*_unsealed(workspace, model, name), *_sealed(workspace, model, name, near)]
    if not found:
        return None
    first = min((one["at"], one["server"]) for one in found)
    mine = {one["place"]: one for one in found if (one["at"], one["server"]) == first}
    rows = [mine[place] for place in sorted(mine)]
    return Before(rows[0]["version"], [_answer(row, task) for row in rows])


def _unsealed(workspace: Workspace, model: str, name: Named) -> Iterator[dict[str, Any]]:
    sought = name.encode()
    for segment in appendlog.segments(workspace.log_root, PREDICTIONS.stream(model)):
        try:
            near = [payload for payload in appendlog.read(segment) if sought in payload]
        except NotFound:
            continue  # sealed meanwhile: the table, read after this, has it
        if near:
            yield from _plain(PREDICTIONS.frame(segment.id, near).lazy(), name)


def _sealed(workspace: Workspace, model: str, name: Named, near: int) -> Iterator[dict[str, Any]]:
    begin, end = moment(near) - _AROUND, moment(near) + _AROUND
    try:
        kept = workspace.tables.scan(PREDICTIONS.stream(model))
    except NotFound:
        return  # nothing of it was sealed yet
    if "place" in kept.collect_schema():
        yield from _plain(kept.filter(pl.col("at").is_between(begin, end)), name)


def _plain(rows: pl.LazyFrame, name: Named) -> Iterator[dict[str, Any]]:
    mine = (pl.col("request_id") == str(name)) & (pl.col("asked") == name.asked) & pl.col("place").is_not_null()
    yield from rows.filter(mine).drop(SEGMENT).collect().iter_rows(named=True)


def _answer(row: dict[str, Any], task: Task) -> Answer:
    asks, features, scores = (None if row[n] is None else from_text(row[n]) for n in ("asks", "features", "scores"))
    decision = row["decision"]
    return Answer(
        prediction_id=row["prediction_id"],
        key=row["key"],
        at=micros(row["at"]),
        decide_at=micros(row["decide_at"]),
        asks=asks or {},
        features=features or {},
        score=row["score"],
        scores=scores,
        decision=float(decision) if task == "regression" and decision is not None else decision,
        rung=row["rung"],
        reasons=row["reasons"],
        warnings=row["warnings"],
        cells=row["cells"],
    )
