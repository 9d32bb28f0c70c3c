"""One prediction by its id, or by how that begins: in the tables, and in what is not sealed yet."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import polars as pl

from outlast.errors import NotFound, RequestError
from outlast.journal.columns import PREDICTIONS, REFUSALS, SEGMENT
from outlast.journal.journal import subjects
from outlast.journal.spelling import from_text
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.types import EPOCH, micros, moment

MOMENT = 14
"""Hexadecimal digits of the moment that an id begins with; what follows them is drawn at random."""
SHORTEST = 8
_LATEST = micros(datetime(9999, 1, 1, tzinfo=EPOCH.tzinfo))


def find_predictions(
    workspace: Workspace, begins: str, *, most: int = 2, sees: Callable[[str], bool] = lambda _: True
) -> list[dict[str, Any]]:
    """Predictions and refused rows whose id begins so, of models one may see: at most so many, with every column.

    An id begins with its moment, so that of a table only files and row groups around that moment are read.
    """
    found: dict[str, dict[str, Any]] = {}
    for model in filter(sees, _models(workspace)):
        for kind in (PREDICTIONS, REFUSALS):
            stream = kind.stream(model)
            for one in (*_unsealed(workspace, stream, begins), *_sealed(workspace, stream, begins, most)):
                found.setdefault(one["prediction_id"], one)
                if len(found) >= most:
                    return list(found.values())
    return list(found.values())


def the_prediction(workspace: Workspace, begins: str) -> dict[str, Any]:
    """The one prediction, or refused row, whose id begins so."""
    if re.fullmatch(rf"[0-9a-f]{{{SHORTEST},200}}", begins) is None:
        raise NotFound(f"'{begins[:80]}' is no prediction's id: give {SHORTEST} of its digits or more, 0-9 and a-f")
    found = find_predictions(workspace, begins)
    if not found:
        raise NotFound(
            f"There is no prediction '{begins[:200]}' in the journal: an answer names its own as prediction_id"
        )
    if len(found) > 1:
        ids = " and ".join(one["prediction_id"] for one in found)
        raise RequestError(f"Several predictions begin with '{begins}', such as {ids}: give more of the id")
    return found[0]


def span_of(begins: str) -> tuple[int, int]:
    """The first and the last moment of ids that begin so, in microseconds.

    >>> span_of("0000000000000ff")
    (15, 15)
    """
    digits = begins[:MOMENT]
    return int(digits.ljust(MOMENT, "0"), 16), min(int(digits.ljust(MOMENT, "f"), 16), _LATEST)


def _models(workspace: Workspace) -> list[str]:
    """Every model of the journal; a table may outlive the folder of its log."""
    prefixes = tuple(f"{kind.name}/" for kind in (PREDICTIONS, REFUSALS))
    kept = [name.partition("/")[2] for name in workspace.tables.names() if name.startswith(prefixes)]
    return sorted({*subjects(workspace, PREDICTIONS), *subjects(workspace, REFUSALS), *kept})


def _unsealed(workspace: Workspace, stream: str, begins: str) -> Iterator[dict[str, Any]]:
    sought = begins.encode()
    for segment in appendlog.segments(workspace.log_root, stream):
        try:
            near = [payload for payload in appendlog.read(segment) if sought in payload]
        except NotFound:
            continue  # sealed meanwhile: the table, read after this, has it
        rows = PREDICTIONS.frame(segment.id, near) if near else PREDICTIONS.empty()
        yield from _plain(rows.filter(pl.col("prediction_id").str.starts_with(begins)))


def _sealed(workspace: Workspace, stream: str, begins: str, most: int) -> Iterator[dict[str, Any]]:
    first, last = (moment(us) for us in span_of(begins))
    at, name = pl.col("at"), pl.col("prediction_id")
    try:
        kept = workspace.tables.scan(stream)
    except NotFound:
        return  # nothing of it was sealed yet
    near = kept.filter(at.is_between(first, last) & name.str.starts_with(begins))
    yield from _plain(near.head(most).collect())


def _plain(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for row in rows.drop(SEGMENT, "cells", "place", "asked", strict=False).iter_rows(named=True):
        texts = {name: None if row[name] is None else from_text(row[name]) for name in ("asks", "features", "scores")}
        yield {**row, **texts}
