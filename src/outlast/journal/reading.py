"""Reading the journal: what is in the tables and what still waits in the log, as one frame, each record once."""

from datetime import datetime
from typing import Literal

import polars as pl

from outlast.errors import NotFound
from outlast.journal.columns import ACTIONS, FACTS, LABELS, PREDICTIONS, REFUSALS, SEGMENT, SHADOWS, Kind
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.types import utc

Clock = Literal["at", "decide_at"]
_LABEL = ("value", "number", "known_at", "labelled_at")


def predictions(
    workspace: Workspace,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    clock: Clock = "decide_at",
) -> pl.LazyFrame:
    """The predictions of a model with since <= clock < until: by the moment decided about, or answered at."""
    return _between(_whole(workspace, PREDICTIONS, model), clock, since, until)


def shadows(
    workspace: Workspace, model: str, since: datetime | None = None, until: datetime | None = None
) -> pl.LazyFrame:
    """What challengers would have answered, by when what is live answered the same question."""
    return _between(_whole(workspace, SHADOWS, model), "at", since, until)


def facts(
    workspace: Workspace, source: str, since: datetime | None = None, until: datetime | None = None
) -> pl.LazyFrame:
    """The rows of a source as they came, as JSON text, by the moment of arrival."""
    return _between(_whole(workspace, FACTS, source), "at", since, until)


def label_history(workspace: Workspace, model: str) -> pl.LazyFrame:
    """Every label that was ever given, corrections too."""
    return _whole(workspace, LABELS, model)


def refusals(workspace: Workspace, model: str, since: datetime | None = None) -> pl.LazyFrame:
    """The rows that got no answer since a moment, by when they were asked."""
    return _between(_whole(workspace, REFUSALS, model), "at", since, None)


def actions(workspace: Workspace, model: str) -> pl.LazyFrame:
    """What people did with a model's answers."""
    return _whole(workspace, ACTIONS, model)


def labels(workspace: Workspace, model: str, *, as_of: datetime | None = None) -> pl.LazyFrame:
    """The latest label of each prediction or key: by when it was known, then by when it came.

    With `as_of`, only what was known strictly before that moment counts.
    """
    known = label_history(workspace, model)
    if as_of is not None:
        known = known.filter(pl.col("known_at") < utc(as_of))
    return known.sort("known_at", "at").unique(["prediction_id", "key"], keep="last", maintain_order=True)


def joined(
    workspace: Workspace,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    clock: Clock = "decide_at",
    as_of: datetime | None = None,
) -> pl.LazyFrame:
    """Predictions with their labels: value (JSON text), number, known_at, labelled_at; null while there is none.

    A label given for the prediction and one given for its key count alike: the later known one holds. Rows stay in the
    order of the journal: of a request without keys, only that says which row is which.
    """
    asked = predictions(workspace, model, since, until, clock=clock)
    found = labels(workspace, model, as_of=as_of).rename({"at": "labelled_at"})
    by_id = found.drop_nulls("prediction_id").select("prediction_id", *_LABEL)
    by_key = found.drop_nulls("key").select("key", *(pl.col(name).alias(f"key_{name}") for name in _LABEL))
    both = asked.join(by_id, on="prediction_id", how="left", maintain_order="left")
    both = both.join(by_key, on="key", how="left", maintain_order="left")
    newer, known = pl.col("key_known_at"), pl.col("known_at")
    later = (newer > known) | ((newer == known) & (pl.col("key_labelled_at") > pl.col("labelled_at")))
    by_key_wins = newer.is_not_null() & (known.is_null() | later)
    chosen = [pl.when(by_key_wins).then(pl.col(f"key_{n}")).otherwise(pl.col(n)).alias(n) for n in _LABEL]
    return both.with_columns(chosen).drop(f"key_{name}" for name in _LABEL)


def _between(frame: pl.LazyFrame, clock: str, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    if since is not None:
        frame = frame.filter(pl.col(clock) >= utc(since))
    if until is not None:
        frame = frame.filter(pl.col(clock) < utc(until))
    return frame


def _whole(workspace: Workspace, kind: Kind, subject: str) -> pl.LazyFrame:
    """The log is read before the table: a segment sealed in between is then in both, and is left out of the log's."""
    stream = kind.stream(subject)
    waiting = _waiting(workspace, kind, stream)
    if not workspace.tables.exists(stream):
        return waiting.lazy()
    table = workspace.tables.scan(stream)
    kept = table.collect_schema()
    later = [pl.lit(None, dtype).alias(name) for name, dtype in kind.schema.items() if name not in kept]
    table = table.with_columns(later) if later else table  # an earlier release wrote it
    if waiting.is_empty():
        return table
    mine = waiting[SEGMENT].unique().to_list()
    taken = (
        table.filter((pl.col("at") >= waiting["at"].min()) & pl.col(SEGMENT).is_in(mine))
        .select(pl.col(SEGMENT).unique())
        .collect()[SEGMENT]
    )
    rest = waiting.filter(~pl.col(SEGMENT).is_in(taken.to_list()))
    return pl.concat([table, rest.lazy()], how="diagonal_relaxed")


def _waiting(workspace: Workspace, kind: Kind, stream: str) -> pl.DataFrame:
    frames = [kind.empty()]
    for segment in appendlog.segments(workspace.log_root, stream):
        try:
            payloads = list(appendlog.read(segment))
        except NotFound:
            continue  # sealed meanwhile: the table, read after this, has it
        frames.append(kind.frame(segment.id, payloads))
    return pl.concat(frames)
