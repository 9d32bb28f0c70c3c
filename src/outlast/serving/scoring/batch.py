"""Scoring a table in parts, by the Predictor that serves: broken off at any point, the same command goes on."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import polars as pl

from outlast.bundle.predictor import open_bundle
from outlast.errors import Conflict, DataError
from outlast.journal import runs
from outlast.project.workspace import Workspace
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find
from outlast.serving.files import Place, content, naming, scan_rows
from outlast.serving.scoring import crew
from outlast.serving.scoring.kept import Kept, Run, Told, held
from outlast.serving.scoring.part import asked
from outlast.serving.scoring.targets import check_target, publish
from outlast.types import ModelRef, digest_of, now

PART = 20_000
Facts = Literal["history", "fresh"]


class Watcher(Protocol):
    """Somebody who is told how far a table is."""

    def total(self, rows: int) -> None: ...

    def advance(self, rows: int) -> None: ...


@dataclass(frozen=True)
class Batch:
    """What to score into what, from which facts, and whether the journal keeps the answers: None, where it is live."""

    source: Place
    target: Place
    facts: Facts = "history"
    record: bool | None = None
    anew: bool = False
    at: datetime | None = None
    workers: int | None = None
    """Processes; None for one, and for as many as there are processors where the table is long."""
    over: bool = False
    """Whether a run of something else that was broken off is given up without asking."""


@dataclass(frozen=True)
class Scored:
    """What became of a table."""

    model: str
    version: int
    rows: int
    before: int
    """Rows that an earlier run had scored."""
    warned: int
    rungs: dict[str, int]
    refused: str | None
    recorded: bool
    target: str


def score_file(
    workspace: Workspace, ref: ModelRef, batch: Batch, watcher: Watcher, done: Callable[[Scored], None] = lambda _: None
) -> Scored:
    """Answers for every row of a table, beside the row's own columns, in the same order.

    Facts are looked up in the sources' history as of each row's moment, or in fresh values, which know only lately.
    `done` is told when all of it is at the target, before what was kept beside it goes.
    """
    source, target = batch.source, batch.target
    check_target(source, target)
    version = find(workspace.ledger, ref)
    manifest = open_bundle(workspace, version.digest).manifest
    rows = scan_rows(source)
    asked(rows.collect_schema().names(), manifest)
    with held(_beside(workspace, target), str(target)) as kept:
        run = _begin(kept, _run(workspace, version, batch, rows), batch)
        watcher.total(run.rows)
        before = _before(workspace, kept, run)
        watcher.advance(before.rows)
        found = Told()
        for one in _scored(workspace, run, kept, batch, rows):
            found.add(one)
            watcher.advance(one.rows)
        publish(kept, target, run.request(0).rpartition(":")[0])
        found.add(before)
        scored = Scored(run.model, run.version, found.rows, before.rows, found.warned, found.rungs, found.refused,
                        run.record, str(target))  # fmt: skip
        done(scored)
        kept.remove()
    return scored


def _scored(workspace: Workspace, run: Run, kept: Kept, batch: Batch, rows: pl.LazyFrame) -> Iterator[Told]:
    """What became of each part that is not there yet."""
    there = set(kept.parts())
    parts = ((number, part) for number, part in _parts(batch.source, rows, run.part) if number not in there)
    left = run.rows - len(there) * run.part
    workers = batch.workers or (1 if left <= crew.ALONE else crew.processors())
    workers = min(workers, -(-left // run.part))
    return crew.scored(workspace, run, kept.folder, str(batch.target), parts, workers=workers)


def tidy(workspace: Workspace, target: Place) -> None:
    """Remove what a run kept beside its target, where it was killed after all was there."""
    if _beside(workspace, target).exists():
        with held(_beside(workspace, target), str(target)) as kept:
            kept.remove()


def _begin(kept: Kept, run: Run, batch: Batch) -> Run:
    """The run that goes on: one that was broken off, or this one."""
    found = None if batch.anew else kept.found()
    if found is None:
        return kept.begin(run)
    differs = run.differences(found)
    if batch.record is not None and batch.record != found.record:
        said = {True: "kept in the journal", False: "not kept in the journal"}
        differs.append(f"with its answers {said[found.record]}, and now they are {said[batch.record]}")
    if batch.over and (differs or found.started_at != run.started_at):
        return kept.begin(run)
    if differs:
        raise Conflict(
            f"A run into {batch.target} was broken off that scored {'; '.join(differs)}: give what it was given "
            "to go on with it, or --anew to begin again"
        )
    return found


def _beside(workspace: Workspace, target: Place) -> Path:
    """Where parts are kept: beside a file, where renaming one costs nothing; of an address, in the workspace."""
    if isinstance(target, Path):
        return target.with_name(f"{target.name}.parts")
    return workspace.home / "scoring" / digest_of(target)[:16]


def _run(workspace: Workspace, version: Version, batch: Batch, rows: pl.LazyFrame) -> Run:
    record = batch.record
    if record is None:
        record = current(workspace.ledger, version.model).live == version.number
    count, digest = content(batch.source, rows)
    if not count:
        raise DataError(f"{batch.source} has no rows to score")
    source = batch.source if isinstance(batch.source, str) else os.path.abspath(batch.source)
    return Run(version.model, version.number, version.digest, source, count, digest, batch.facts, record, PART,
               batch.at or now())  # fmt: skip


def _before(workspace: Workspace, kept: Kept, run: Run) -> Told:
    """What is there already; a part that the journal has not is dropped: it is answered again, at another moment."""
    found = Told()
    for number in kept.parts():
        if run.record and not runs.kept(workspace, run.model, run.request(number)):
            kept.drop(number)
        else:
            found.add(kept.told(number))
    return found


def _parts(source: Place, rows: pl.LazyFrame, size: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows in order with the number of each part, so many at a time that memory does not grow with the table."""
    number, waiting = 0, pl.DataFrame()
    with naming(source):
        for some in rows.collect_batches(chunk_size=size, maintain_order=True, engine="streaming"):
            waiting = pl.concat([waiting, some]) if waiting.height else some
            while waiting.height >= size:
                yield number, waiting.head(size).rechunk()
                number, waiting = number + 1, waiting.slice(size)
    if waiting.height:
        yield number, waiting.rechunk()
