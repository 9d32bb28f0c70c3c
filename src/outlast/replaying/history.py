"""What happened, from tables: questions at their moments, facts when they became known, labels when they landed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from outlast.data.sources import address, reading, scan
from outlast.errors import DataError, NotFound, nearest
from outlast.features.facts import instants, known_at
from outlast.project.declare import Location, Source
from outlast.project.loader import Project
from outlast.replaying.faults import Fault, faulty
from outlast.types import duration, micros

AT = "__at"
"""The column that says when a row is told, in microseconds since 1970."""
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows that go to one address, in the order of time."""

    name: str
    frame: pl.DataFrame
    lag: timedelta = timedelta(0)
    """How long before its moment a row had happened."""

    def between(self, begin: datetime, end: datetime) -> pl.DataFrame:
        """The rows with begin <= moment < end."""
        first, last = (self.frame[AT].search_sorted(micros(one), side="left") for one in (begin, end))
        return self.frame.slice(first, last - first)


@dataclass(frozen=True, eq=False)
class History:
    """All that is told in a stretch of time."""

    questions: Stream
    labels: Stream
    facts: Sequence[Stream]


@dataclass(frozen=True)
class Stretch:
    """A stretch of time to tell, and since when questions were asked whose labels belong in it."""

    since: datetime
    until: datetime
    asked: datetime


def read(project: Project, of: Stretch, *, folder: Path | None = None, faults: Sequence[Fault] = ()) -> History:
    """What happened with since <= moment < until, from the sources' own places or files of their names in a folder.

    Faults change facts and questions; what turned out stays true.
    """
    model = project.model
    _require_told(project, faults)
    question = model.question
    names = [*question.keys, str(question.time), *(name for name in model.asks.names if name != question.time)]
    with reading(question):
        frame = _moved(question, table(project, question, folder), instants(str(question.time)))
        ever = _within(frame.select(AT, *names), of.asked, of.until)
    facts = {one.name: _facts(project, one, folder, of) for one in fact_sources(project)}
    labels = _labels(project, ever, facts, folder, of)
    asked = ever.filter(pl.col(AT) >= micros(of.since))
    lags = {one.name: one.delay for one in model.sources}
    told = [Stream(name, _spelled(faulty(frame, name, faults)), lags[name]) for name, frame in sorted(facts.items())]
    return History(
        Stream(question.name, _spelled(faulty(asked, question.name, faults))),
        Stream("labels", _spelled(labels)),
        [one for one in told if one.frame.height],
    )


def fact_sources(project: Project) -> list[Source]:
    """The sources whose rows are pushed: those that lookups read, and the one of the labels."""
    model = project.model
    names = {lookup.source.name for lookup in model.lookups}
    if model.label.source.name != model.question.name:
        names.add(model.label.source.name)
    return [one for one in model.sources if one.name in names and one.time is not None]


def _require_told(project: Project, faults: Sequence[Fault]) -> None:
    """Refuse a model whose past has no moments, and faults of what it does not read."""
    question, name = project.model.question, project.model.name
    if question.time is None:
        raise DataError(
            f"Model '{name}' cannot be replayed: its questions have no time; give Source('{question.name}', …, time=)"
        )
    if not question.keys:
        raise DataError(
            f"Model '{name}' cannot be replayed: nothing says which question a label belongs to; "
            f"give Source('{question.name}', …, key=)"
        )
    known = {question.name, *(one.name for one in fact_sources(project))}
    for fault in faults:
        if fault.source not in known:
            raise NotFound(f"Fault '{fault.name}' is of '{fault.source}', which '{name}' is not told: "
                           f"{nearest(fault.source, known)}")  # fmt: skip


def table(project: Project, source: Source, folder: Path | None) -> pl.LazyFrame:
    """A source's rows, from its own place or from the file of its name in a folder."""
    location: Location = project.workspace.location(source, project.folder)
    if folder is not None:
        if callable(location):
            raise DataError(f"Source '{source.name}' is a function, which has no file in {folder}: leave --history out")
        location = folder / Path(address(location)).name
    return scan(source, location)


def _moved(source: Source, frame: pl.LazyFrame, at: pl.Expr) -> pl.LazyFrame:
    """A source's rows with the moment at which they are told; those without one never are."""
    names = frame.collect_schema().names()
    if AT in names:
        raise DataError(f"Source '{source.name}' has a column '{AT}', which a replay needs for itself: rename it")
    return frame.with_columns(at.alias(AT)).filter(pl.col(AT).is_not_null())


def _within(frame: pl.LazyFrame, since: datetime, until: datetime) -> pl.DataFrame:
    chosen = frame.filter(pl.col(AT).is_between(micros(since), micros(until), closed="left"))
    return chosen.sort(AT, maintain_order=True).collect(engine="streaming")


def _facts(project: Project, source: Source, folder: Path | None, of: Stretch) -> pl.DataFrame:
    with reading(source):
        return _within(_moved(source, table(project, source, folder), known_at(source)), of.since, of.until)


def _labels(
    project: Project, asked: pl.DataFrame, facts: dict[str, pl.DataFrame], folder: Path | None, of: Stretch
) -> pl.DataFrame:
    """What turned out of the questions that were asked, by their key, at the moment at which it is known."""
    model, keys = project.model, list(project.model.question.keys)
    label = model.label
    assert label.expr is not None
    with reading(label.source):
        if label.source.name == model.question.name:
            delay = duration(project.contract.label.delay) if project.contract.label.delay else timedelta(0)
            at = instants(str(label.source.time)) + delay // timedelta(microseconds=1)
            rows = _within(_moved(label.source, table(project, label.source, folder), at), of.since, of.until)
        else:
            rows = facts[label.source.name]
        known = rows.join(asked.select(keys), on=keys, how="semi", maintain_order="left")
        key = pl.col(keys[0]) if len(keys) == 1 else pl.struct(keys)
        told = known.select(AT, key=key, value=label.expr, known_at=pl.col(AT).cast(pl.Datetime("us", "UTC")))
    return told.drop_nulls("value")


def _spelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Moments as JSON has them."""
    return frame.with_columns(cs.datetime().dt.to_string("iso:strict"))
