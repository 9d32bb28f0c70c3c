"""Counting what came: each segment of the journal once, in the order in which they came, whoever counts and dies.

Counts, windows and the note of how far counting has come are one transaction. What is added is the difference between
two states of the journal, so in however many parts it is counted, the sum is that of all at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from outlast.errors import Conflict
from outlast.journal import sealing
from outlast.journal.columns import LABELS, PREDICTIONS, SEGMENT, Kind
from outlast.monitoring.counting import checks, windows
from outlast.monitoring.counting.arrivals import NEVER, Arrived, Point, Ripe, arrived
from outlast.monitoring.counting.increments import by_version, increments
from outlast.monitoring.counting.known import Span
from outlast.monitoring.counting.marks import mark, put_mark, read_mark
from outlast.monitoring.counting.waiting import TIMES, Waiting, cohorts_of, matured
from outlast.monitoring.counting.windows import Hold
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.storage.ledger import lock
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, micros, moment, span, utc

ROWS = 200_000
"""Predictions and labels that are counted at once, about."""

_FEW = 8
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Progress:
    """How far counting has come: `point` of the journal; up to when checks are closed; the cadence of windows; when
    the next label becomes known that is here already; since which segment each slice is counted; and, where windows
    are being counted anew, how far they are."""

    point: Point
    closed: int | None
    cadence: str
    later: int | None
    slices: Mapping[str, int]
    windows: Point | None
    waiting: Mapping[int, Waiting] = field(default_factory=dict)
    """Of each version, which decisions wait longer for their labels before they are in a check."""

    @classmethod
    def read(cls, kept: Any) -> "_Progress":
        behind = kept["windows"]
        return cls(
            Point(*kept["point"]), kept["closed"], kept["cadence"], kept["later"], kept["slices"],
            None if behind is None else Point(*behind),
            {int(version): Waiting.read(one) for version, one in kept.get("waiting", {}).items()},
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        behind = None if self.windows is None else [self.windows.number, self.windows.moment]
        point = [self.point.number, self.point.moment]
        return {"format": FORMAT, "point": point, "closed": self.closed, "cadence": self.cadence, "later": self.later,
                "slices": dict(self.slices), "windows": behind,
                "waiting": {str(version): one.plain() for version, one in self.waiting.items()}}  # fmt: skip


def refresh(
    workspace: Workspace,
    model: str,
    cadence: timedelta,
    *,
    now: datetime,
    subject: Callable[[int], Subject],
    hold: Hold,
    slices: Sequence[str] = (),
) -> int:
    """Count what is new of a model since the last time; returns in how many windows something changed."""
    return _Counting(workspace, model, cadence, utc(now), subject, hold).run(slices)


class _Counting:
    def __init__(
        self,
        workspace: Workspace,
        model: str,
        cadence: timedelta,
        now: datetime,
        subject: Callable[[int], Subject],
        hold: Hold,
    ) -> None:
        self._workspace, self._model, self._cadence, self._now = workspace, model, cadence, now
        self._subject, self._hold, self._name = subject, hold, f"counted/{model}"

    def run(self, slices: Sequence[str]) -> int:
        kept = mark(self._workspace.ledger, self._name)
        state = self._begun() if kept is None else _Progress.read(kept)
        state = self._declared(state, slices)
        changed = 0
        while state.windows is not None:
            state, found = self._again(state, state.windows)
            changed += found
        end = Point(sealing.last(self._workspace.ledger), max(micros(self._now), state.point.moment))
        for upto in self._parts(state.point, end):
            self._hold()
            state, found = self._step(state, upto, last=upto.number == end.number)
            changed += found
        return changed

    def _begun(self) -> _Progress:
        """The first time: what came before segments had numbers gets them."""
        for kind in (PREDICTIONS, LABELS):
            sealing.adopt(self._workspace, kind.stream(self._model))
        state = _Progress(Point(), None, span(self._cadence), None, {}, None)
        with self._workspace.ledger.write() as connection:
            lock(connection, self._name)
            if read_mark(connection, self._name) is not None:
                raise Conflict(f"Another worker began to count {self._model}: it goes on with the work")
            windows.forget(connection, self._model)
            put_mark(connection, self._name, state.plain(), self._now)
        return state

    def _declared(self, state: _Progress, slices: Sequence[str]) -> _Progress:
        """Take a changed contract into account: windows of another length are counted anew, slices from now on."""
        wanted = {name: state.slices.get(name, state.point.number) for name in dict.fromkeys(slices)}
        if state.cadence == span(self._cadence) and wanted == dict(state.slices):
            return state
        other = state.cadence != span(self._cadence)
        behind = Point() if other and state.point.number else None if other else state.windows
        made = replace(state, cadence=span(self._cadence), slices=wanted, windows=behind)
        with self._moving(state, made) as connection:
            if other:
                windows.forget(connection, self._model)
        return made

    @contextmanager
    def _moving(self, before: _Progress, after: _Progress) -> Iterator[sa.Connection]:
        """A transaction that begins where counting is thought to be, and leaves it further on."""
        with self._workspace.ledger.write() as connection:
            lock(connection, self._name)
            if _Progress.read(read_mark(connection, self._name)) != before:
                raise Conflict(f"Another worker counts {self._model}: it goes on with the work")
            yield connection
            put_mark(connection, self._name, after.plain(), self._now)

    def _parts(self, begin: Point, end: Point) -> Iterator[Point]:
        """Points on the way, each about as many rows after the one before."""
        sizes = {**self._sizes(PREDICTIONS, begin, end), **self._sizes(LABELS, begin, end)}
        rows = 0
        for number in sorted(sizes):
            rows += sizes[number]
            if rows >= ROWS and number < end.number:
                yield Point(number, end.moment)
                rows = 0
        yield end

    def _sizes(self, kind: Kind, begin: Point, end: Point) -> dict[int, int]:
        """Rows by number of the segment; not worth a look where there are few segments."""
        stream = kind.stream(self._model)
        new = sealing.after(self._workspace.ledger, stream, begin.number, end.number)
        if len(new) <= _FEW:
            return {}
        mine = self._workspace.tables.scan(stream).filter(pl.col(SEGMENT).is_in(list(new)))
        counted = mine.group_by(SEGMENT).len().collect()
        return {new[name]: rows for name, rows in counted.iter_rows()}

    def _step(self, state: _Progress, upto: Point, *, last: bool) -> tuple[_Progress, int]:
        """Count up to a point; with the last one, checks that have ended are closed."""
        known = state.later is not None and state.later < upto.moment
        ripe = [*self._ripe(state.point, upto), *self._waited(state, upto)]
        found = arrived(self._workspace, self._model, (state.point, upto), ripe, known=known)
        length = self._cadence // _MICROSECOND
        open_ = upto.moment // length + 1
        first = min(NEVER // length if state.closed is None else state.closed // length + 1, open_)
        checks_ = Span(first, open_, self._cadence)
        closed = max((open_ - 1) * length, state.closed or NEVER) if last else state.closed
        later = None if known else state.later
        if found is not None and found.later is not None:
            later = found.later if later is None else min(later, found.later)
        points = (state.point, upto)
        made = _Progress(
            upto, closed, state.cadence, later, state.slices, None, self._waiting(state.waiting, found, points)
        )
        if made == state:
            return state, 0
        added = None
        if found is not None and found.predictions.height:
            added = increments(found, points, checks_, subject=self._subject, slices=state.slices, waiting=made.waiting)
        changed = 0
        with self._moving(state, made) as connection:
            if added is not None:
                checks.add(connection, self._model, added.checks, self._cadence)
                changed = windows.add(connection, self._model, added.cohorts, self._cadence, self._now)
        return made, changed

    def _again(self, state: _Progress, begin: Point) -> tuple[_Progress, int]:
        """Count windows anew up to where all else is."""
        self._hold()
        end = state.point
        upto = next(self._parts(begin, end))
        ripe = [] if not begin.number else self._ripe(begin, upto)
        found = arrived(self._workspace, self._model, (begin, upto), ripe, known=begin.number > 0)
        made = replace(state, windows=None if upto == end else upto)
        span_ = Span(0, 0, self._cadence)
        changed = 0
        with self._moving(state, made) as connection:
            if found is not None and found.predictions.height:
                added = increments(found, (begin, upto), span_, subject=self._subject, slices=state.slices)
                changed = windows.add(connection, self._model, added.cohorts, self._cadence, self._now)
        return made, changed

    def _ripe(self, before: Point, after: Point) -> list[Ripe]:
        """Stretches of decisions that have matured between two points, of versions that decided in them."""
        if before.moment == NEVER or before.moment == after.moment:
            return []
        found = []
        for version in self._versions():
            maturity = self._subject(version).terms.maturity // _MICROSECOND
            ripe = Ripe(version, before.moment - maturity, after.moment - maturity)
            if self._decided(ripe):
                found.append(ripe)
        return found

    def _waited(self, state: _Progress, upto: Point) -> list[Ripe]:
        """Stretches of decisions that have waited long enough between two points."""
        found = []
        for version, waiting in state.waiting.items():
            wait = TIMES * (self._subject(version).terms.maturity // _MICROSECOND)
            ripe = Ripe(version, state.point.moment - wait, upto.moment - wait)
            if ripe.until > ripe.since and waiting.open(ripe.since, ripe.until):
                found.append(ripe)
        return found

    def _waiting(
        self, before: Mapping[int, Waiting], found: Arrived | None, points: tuple[Point, Point]
    ) -> dict[int, Waiting]:
        """Which decisions wait, after what matured between two points; those that were put into a check are let go."""
        made = dict(before)
        length = self._cadence // _MICROSECOND
        for version, mine in by_version(found) if found is not None else ():
            maturity = self._subject(version).terms.maturity
            if maturity:
                seen = cohorts_of(matured(mine, points, maturity), maturity, length)
                made[version] = made.get(version, Waiting()).after(seen, length)
        for version, waiting in made.items():
            wait = TIMES * (self._subject(version).terms.maturity // _MICROSECOND)
            made[version] = waiting.without(points[0].moment - wait)
        return made

    def _versions(self) -> list[int]:
        cohorts = tables.cohorts.c
        query = sa.select(cohorts.version).where(cohorts.model == self._model).distinct().order_by(cohorts.version)
        with self._workspace.ledger.read() as connection:
            return list(connection.scalars(query))

    def _decided(self, ripe: Ripe) -> bool:
        cohorts = tables.cohorts.c
        mine = (cohorts.model == self._model) & (cohorts.version == ripe.version) & (cohorts.slice == "")
        begin, end = moment(ripe.since) - self._cadence, moment(ripe.until)
        query = sa.select(sa.literal(1)).where(mine & cohorts.starts_at.between(begin, end)).limit(1)
        with self._workspace.ledger.read() as connection:
            return connection.scalar(query) is not None
