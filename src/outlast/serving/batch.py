"""Scoring a file in parts, by the Predictor that serves, each part whole before the next begins."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import polars as pl

from outlast.bundle.predictor import Predictor, answers_frame, open_bundle
from outlast.data.sources import scan
from outlast.errors import DataError, RequestError
from outlast.journal.journal import Journal
from outlast.journal.sources import over_history, sources_of
from outlast.project.declare import Source
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef, now

PART = 20_000
Facts = Literal["history", "fresh"]
JSON_LINES = (".jsonl", ".ndjson")


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
    source, target, record = batch.source, batch.target, batch.record
    _check_target(source, target)
    if target.suffix not in (".parquet", ".csv"):
        raise RequestError(f"Answers cannot be written as {target.name}: expected a name ending in .parquet or .csv")
    version = find(workspace.ledger, ref)
    bundle = open_bundle(workspace, version.digest)
    predictor = Predictor(bundle, version.number, workspace.fresh)
    whole = bool(predictor.lookups) and batch.facts == "history"
    look_up = over_history(sources_of(workspace, bundle), predictor.lookups) if whole else None
    rows = read_rows(source)
    watcher.total(rows.height)
    asked = _asked(rows, predictor)
    parts: list[pl.DataFrame] = []
    warned = 0
    with Journal(workspace) as journal:
        for part in _parts(rows):
            answers = predictor.predict(part.select(asked).to_dicts(), at=now(), look_up=look_up)
            if record:
                journal.predictions(answers, predictor, request_id=f"score:{target.name}", server="score")
            warned += sum(bool(answer.warnings) for answer in answers)
            parts.append(_beside(part, answers_frame(answers, predictor.task)))
            watcher.advance(part.height)
    _write(pl.concat(parts), target)
    return {
        "model": version.model,
        "version": version.number,
        "rows": rows.height,
        "warned": warned,
        "target": str(target),
    }


def _check_target(source: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise RequestError(f"Answers cannot be written to {target}: there is no folder {target.parent}; make it first")
    if target.resolve() == source.resolve():
        raise RequestError(f"Answers cannot be written over the rows they answer, {source}: give them another name")


def read_rows(file: Path) -> pl.DataFrame:
    """The rows of a Parquet, CSV or JSON-lines file."""
    if file.suffix in JSON_LINES:
        try:
            return pl.read_ndjson(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{file} cannot be read as JSON lines: {error}") from None
    return scan(Source("rows", file), file).collect()


def read_facts(file: Path) -> pl.DataFrame | list[dict[str, Any]]:
    """The rows of a file of facts; those in JSON are to be decoded as requests are, their moments are text."""
    rows = read_rows(file)
    return rows.to_dicts() if file.suffix in JSON_LINES else rows


def _asked(rows: pl.DataFrame, predictor: Predictor) -> list[str]:
    """The columns the version reads, since others are no fault of a file; all, where an error will name the nearest."""
    asks = {ask.name for ask in predictor.asks}
    if not asks <= set(rows.columns):
        return rows.columns
    known = asks | set(predictor.key) | {predictor.time}
    return [name for name in rows.columns if name in known]


def _parts(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    if rows.is_empty():
        raise DataError("The file has no rows to score")
    yield from rows.iter_slices(PART)


def _beside(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """A row's own columns win their names; ours are marked where both have one."""
    renamed = {name: f"outlast_{name}" for name in answers.columns if name in rows.columns}
    return rows.hstack(answers.rename(renamed))


def _write(frame: pl.DataFrame, target: Path) -> None:
    """All or nothing: written aside, synced, then renamed."""
    aside = target.with_name(f".{target.name}.part")
    if target.suffix == ".csv":
        frame.with_columns(pl.col("warnings").list.join("; ")).write_csv(aside)
    else:
        frame.write_parquet(aside)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(target)
