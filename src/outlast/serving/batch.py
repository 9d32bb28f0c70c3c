"""Scoring a file in parts, by the Predictor that serves, each part whole before the next begins."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import polars as pl

from outlast.bundle.predictor import Predictor, answers_frame, open_bundle
from outlast.errors import DataError
from outlast.journal.journal import Journal
from outlast.journal.sources import over_history, sources_of
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.files import JSON_LINES, check_target, naming, read_rows, scan_rows, whole
from outlast.types import ModelRef, now

PART = 20_000
Facts = Literal["history", "fresh"]


class Watcher(Protocol):
    """Somebody who is told how far a file is."""

    def total(self, rows: int) -> None: ...

    def advance(self, rows: int) -> None: ...


@dataclass(frozen=True)
class Batch:
    """What to score into what, from which facts, and whether the journal keeps the answers."""

    source: Path
    target: Path
    facts: Facts = "history"
    record: bool = False


def score_file(workspace: Workspace, ref: ModelRef, batch: Batch, watcher: Watcher) -> dict[str, Any]:
    """Answers for every row of a file, beside the row's own columns, in the same order.

    Facts are looked up in the sources' history as of each row's moment, or in fresh values, which know only lately.
    """
    source, target = batch.source, batch.target
    check_target(source, target)
    version = find(workspace.ledger, ref)
    bundle = open_bundle(workspace, version.digest)
    predictor = Predictor(bundle, version.number, workspace.fresh)
    history = bool(predictor.lookups) and batch.facts == "history"
    look_up = over_history(sources_of(workspace, bundle), predictor.lookups) if history else None
    rows = scan_rows(source)
    asked = _asked(rows.collect_schema().names(), predictor)
    with naming(source):
        watcher.total(rows.select(pl.len()).collect(engine="streaming").item())
    scored = warned = 0
    with Journal(workspace) as journal, whole(target) as written:
        for part in _parts(source, rows):
            answers = predictor.predict(part.select(asked).to_dicts(), at=now(), look_up=look_up)
            if batch.record:
                journal.predictions(answers, predictor, request_id=f"score:{target.name}", server="score")
            written.add(_beside(part, _same_columns(answers_frame(answers, predictor.task), predictor)))
            scored, warned = scored + part.height, warned + sum(bool(answer.warnings) for answer in answers)
            watcher.advance(part.height)
    return {
        "model": version.model,
        "version": version.number,
        "rows": scored,
        "warned": warned,
        "target": str(target),
    }


def read_facts(file: Path) -> pl.DataFrame | list[dict[str, Any]]:
    """The rows of a file of facts; those in JSON are to be decoded as requests are, their moments are text."""
    rows = read_rows(file)
    return rows.to_dicts() if file.suffix in JSON_LINES else rows


def _asked(columns: list[str], predictor: Predictor) -> list[str]:
    """The columns the version reads, since others are no fault of a file; all, where an error will name the nearest."""
    asks = {ask.name for ask in predictor.asks}
    if not asks <= set(columns):
        return columns
    known = asks | set(predictor.key) | {predictor.time}
    return [name for name in columns if name in known]


def _parts(source: Path, rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The rows in order, so many at a time that memory does not grow with the file."""
    found = False
    with naming(source):
        for part in rows.collect_batches(chunk_size=PART, maintain_order=True, engine="streaming"):
            found = found or part.height > 0
            yield from part.iter_slices(PART)
    if not found:
        raise DataError(f"{source} has no rows to score")


def _same_columns(answers: pl.DataFrame, predictor: Predictor) -> pl.DataFrame:
    """Answers with the columns and types of every part, also of one that the model could not answer."""
    columns = dict(answers.schema) | {"decision": pl.Float64 if predictor.task == "regression" else pl.String}
    if predictor.task == "multiclass":
        columns |= {f"score_{name}": pl.Float64 for name in predictor.classes}
    return answers.select(
        (pl.col(name) if name in answers.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in columns.items()
    )


def _beside(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """A row's own columns win their names; ours are marked where both have one."""
    renamed = {name: f"outlast_{name}" for name in answers.columns if name in rows.columns}
    return rows.hstack(answers.rename(renamed))
