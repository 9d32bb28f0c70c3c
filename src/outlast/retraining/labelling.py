"""Labels from their own source: what was pushed to it, and the rows that lie at its location, become labels once.

The value is the model's label expression, known when the row's time and the source's lag say. A row is a label from
the first moment on that the model decided about: what was known before cannot be of one of its decisions.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import open_bundle
from outlast.bundle.requests import spell_key
from outlast.data.schema import from_json
from outlast.data.sources import reading
from outlast.errors import NotFound
from outlast.features.facts import KNOWN, RETRACTED, instants
from outlast.journal import sealing
from outlast.journal.columns import FACTS, LABELS, SEGMENT
from outlast.journal.history import ARRIVED, arrivals
from outlast.journal.reading import label_history
from outlast.journal.records import LabelRecord, encode, label
from outlast.journal.sources import Sources, project_of
from outlast.monitoring.counting.marks import mark, put_mark
from outlast.monitoring.counting.windows import Hold
from outlast.monitoring.feeds.looking import state_of
from outlast.project.declare import Source
from outlast.project.loader import Project
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.storage.ledger import schema as tables
from outlast.types import counted, digest_of, duration, micros, moment, utc

SLACK = timedelta(minutes=10)
"""How much later than others a server's facts may come into the tables and still be seen."""
_NEVER = -(2**55)
_US = timedelta(microseconds=1)
_VALUE = "__value"
_SAME = ("key", "value", "known_at")


@dataclass(frozen=True)
class _Looked:
    """The last look: up to which moment labels were known and facts had come, from which decision on, how far the
    facts' segments were, what the location was, and the segment that was being written."""

    until: int
    begin: int
    facts: int
    place: str | None = None
    writing: str | None = None


def label_due(
    workspace: Workspace, version: Version, every: timedelta, *, now: datetime, hold: Hold
) -> tuple[bool, str]:
    """Turn what is new in a version's label source into labels; whether there was something, and a sentence.

    This executes the version's code, which says what a label is: when facts were pushed, else `every` so often.
    """
    name = f"labelled/{version.model}"
    begin = _first_decision(workspace, version.model)
    if begin is None:
        return False, "nothing was answered yet"
    bundle = open_bundle(workspace, version.digest)
    source = bundle.manifest.get("label", {}).get("source")
    if source is None:
        return False, "this version does not say where its labels come from"
    kept = mark(workspace.ledger, name)
    last = None if kept is None else msgspec.convert(kept, _Looked)
    if last is not None and last.writing is not None:
        last = _finished(workspace, version.model, last, now)
    facts = sealing.last(workspace.ledger)
    pushed = last is None or bool(sealing.after(workspace.ledger, FACTS.stream(source), last.facts, facts))
    if last is not None and not pushed and begin >= last.begin and micros(now) - last.until < every // _US:
        return False, f"nothing new in {source}"
    hold()
    found = _Looking(workspace, bundle, now).look(last, begin)
    if isinstance(found, str):
        return False, found
    records, place = found
    done = _Looked(micros(now), begin, facts, place)
    count = _keep(workspace, version.model, records, done, now)
    return count > 0, f"{counted(count, 'label')} from {source}" if count else f"nothing new in {source}"


class _Looking:
    """One look at a label's source."""

    def __init__(self, workspace: Workspace, bundle: Bundle, now: datetime) -> None:
        self._project: Project = project_of(workspace, bundle)
        self._workspace, self._now = workspace, utc(now)
        self._source: Source = self._project.model.label.source
        self._schema = from_json(bundle.manifest["sources"][self._source.name]["schema"])

    def look(self, last: _Looked | None, begin: int) -> tuple[list[LabelRecord], str | None] | str:
        """The labels that may be new, and what the location is now; or why there can be none."""
        model = self._project.model
        keys, source = model.question.keys, self._source
        if not keys or source.time is None or any(key not in self._schema.names for key in keys):
            return f"rows of {source.name} cannot be labels by themselves: they need the questions' key, and a time"
        place = self._place()
        whole = last is None or place is None or place != last.place or begin < last.begin
        since = None if whole or last is None else moment(last.until) - SLACK
        with reading(source):
            rows = self._rows(keys, since, begin).collect(engine="streaming")
        return [self._label(keys, row) for row in rows.iter_rows(named=True)], place

    def _rows(self, keys: tuple[str, ...], since: datetime | None, begin: int) -> pl.LazyFrame:
        expression = self._project.model.label.expr
        assert expression is not None
        frame = self._dated(since)
        if RETRACTED in frame.collect_schema():
            frame = frame.filter(~pl.col(RETRACTED))
        frame = frame.select(*keys, ARRIVED, expression.alias(_VALUE), (self._known()).alias(KNOWN))
        told = pl.col(_VALUE).is_not_null() & pl.col(KNOWN).is_between(begin, micros(self._now), closed="left")
        if since is not None:
            told &= pl.col(ARRIVED).is_not_null() | (pl.col(KNOWN) >= micros(since))
        return frame.filter(told)

    def _place(self) -> str | None:
        """What the location is now; None where nothing says so, or nothing is there."""
        try:
            return state_of(self._source, self._workspace.location(self._source, self._project.folder))
        except NotFound:
            return None

    def _dated(self, since: datetime | None) -> pl.LazyFrame:
        """Rows of the location and what was pushed; of a version from elsewhere there may be what was pushed only."""
        try:
            return Sources(self._project).dated(self._source, since=since)
        except NotFound:
            return arrivals(self._workspace, self._source, self._schema, since=since).lazy()

    def _known(self) -> pl.Expr:
        """When a row says what turned out: by its source's lag, or, in the questions' own source, by the label's."""
        model, source = self._project.model, self._source
        assert source.time is not None
        own = source.name == model.question.name
        delay = duration(self._project.contract.label.delay or "0s") if own else source.delay
        return instants(source.time) + delay // _US

    def _label(self, keys: tuple[str, ...], row: dict[str, Any]) -> LabelRecord:
        key, now = spell_key([row[name] for name in keys]), micros(self._now)
        origin = f"source {self._source.name}"
        model = self._project.model.name
        return label(model, row[_VALUE], key=key, known_at=row[KNOWN], at=now, origin=origin)


def _keep(workspace: Workspace, model: str, records: list[LabelRecord], done: _Looked, now: datetime) -> int:
    """Put labels that nobody has given yet into the table, as a segment of their own, and note how far that came.

    The segment's name is noted before its rows are there: who dies in between leaves it to the next to number it.
    """
    frame = LABELS.frame("", [encode(one) for one in records]).unique(_SAME, keep="last", maintain_order=True)
    if not frame.is_empty():
        known = frame["known_at"]
        there = label_history(workspace, model).filter(pl.col("known_at").is_between(known.min(), known.max()))
        frame = frame.join(there.select(_SAME).collect(), on=_SAME, how="anti", maintain_order="left")
    if frame.is_empty():
        _note(workspace, model, done, now)
        return 0
    said = digest_of([list(row) for row in frame.select("key", "value").iter_rows()])
    segment = f"{utc(now):%Y%m%dT%H%M%S.%fZ}-source-{said[:12]}"
    before = mark(workspace.ledger, f"labelled/{model}")
    started = _Looked(_NEVER, done.begin, 0) if before is None else msgspec.convert(before, _Looked)
    _note(workspace, model, replace(started, writing=segment), now)
    stream = LABELS.stream(model)
    workspace.tables.append(stream, frame.with_columns(pl.lit(segment).alias(SEGMENT)), once=segment)
    sealing.note(workspace.ledger, stream, [segment])
    _note(workspace, model, done, now)
    return frame.height


def _finished(workspace: Workspace, model: str, last: _Looked, now: datetime) -> _Looked:
    """What another look left half done: its rows are there or not, and get their number if they are."""
    assert last.writing is not None
    stream = LABELS.stream(model)
    if workspace.tables.took(stream, last.writing):
        sealing.note(workspace.ledger, stream, [last.writing])
    done = replace(last, writing=None)
    _note(workspace, model, done, now)
    return done


def _note(workspace: Workspace, model: str, looked: _Looked, now: datetime) -> None:
    with workspace.ledger.write() as connection:
        put_mark(connection, f"labelled/{model}", asdict(looked), now)


def _first_decision(workspace: Workspace, model: str) -> int | None:
    """The beginning of the first window that something was decided about in, in microseconds."""
    cohorts = tables.cohorts.c
    query = sa.select(sa.func.min(cohorts.starts_at, type_=tables.Moment())).where(cohorts.model == model)
    with workspace.ledger.read() as connection:
        first = connection.scalar(query)
    return None if first is None else micros(first)
