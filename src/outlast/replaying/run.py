"""A replay: the past told to a real server over HTTP, with ticks between, all of it on the story's clock."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from outlast.clock import Hand
from outlast.project import position
from outlast.project.loader import Project
from outlast.project.position import Position
from outlast.replaying.faults import Fault
from outlast.replaying.growing import grow
from outlast.replaying.handing import hand_over, take_up
from outlast.replaying.history import History, Row, Stretch, read
from outlast.replaying.sending import Heard, Lanes, Sent
from outlast.replaying.story import Moment, boundaries, moments
from outlast.replaying.strangers import TOLD
from outlast.retraining.tick import Done, tick
from outlast.types import micros

TOGETHER = 50
"""Questions of one request: a server answers that many between two others."""
FACTS = 2_000
LOADED = timedelta(days=7)
"""How often the questions' table grows, as a warehouse that is loaded once a week."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Plan:
    """What is replayed and how."""

    since: datetime
    until: datetime
    every: timedelta | None = timedelta(days=1)
    """How often somebody ticks; None: nobody does."""
    step: timedelta | None = None
    speed: float | None = None
    """How many seconds of the story pass in one of ours, at most."""
    history: Path | None = None
    faults: Sequence[Fault] = ()
    lanes: int = 4
    grow: bool = False
    """Whether what is asked is added to where the questions lie, for successors to be trained on."""


@dataclass
class Told:
    """What came of a replay, so far: `at` is the story's moment, `seconds` what the answers took."""

    at: datetime
    questions: int = 0
    facts: int = 0
    labels: int = 0
    ticks: int = 0
    seconds: list[float] = field(default_factory=list)
    rungs: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Jobs of ticks that failed, and what the last one said."""
    took: dict[str, float] = field(default_factory=dict)
    """Seconds that questions, facts, ticks and trainings took."""


Ticked = Callable[[datetime, list[Done]], object]


@dataclass(frozen=True)
class Listeners:
    """Who is told while a replay goes on: after every moment, and after every tick."""

    moment: Callable[[Told], object] = lambda _: None
    ticked: Ticked = lambda *_: None


def stretch_of(project: Project, plan: Plan) -> Stretch:
    """What is still to be told of a plan: a story is told on from where the last one came to, and never twice."""
    before = position.find(project.workspace, project.model.name)
    if before is None:
        return Stretch(plan.since, plan.until, plan.since)
    return Stretch(max(plan.since, before.until), plan.until, before.begun)


def replay(project: Project, plan: Plan, hand: Hand, lanes: Lanes, *, listeners: Listeners | None = None) -> Told:
    """Tell a stretch of the past to a server that goes by `hand`, which ends at the moment up to which it is told."""
    stretch = stretch_of(project, plan)
    history = read(project, stretch, folder=plan.history, faults=plan.faults)
    return _Replay(project, plan, hand, lanes, listeners or Listeners(), stretch).told(history)


class _Replay:
    def __init__(
        self, project: Project, plan: Plan, hand: Hand, lanes: Lanes, listeners: Listeners, stretch: Stretch
    ) -> None:
        self._project, self._workspace, self._model = project, project.workspace, project.model.name
        self._plan, self._hand, self._lanes, self._listeners = plan, hand, lanes, listeners
        self._stretch, self._told = stretch, Told(stretch.since)
        self._begun, self._grown = time.perf_counter(), stretch.asked
        before = position.find(self._workspace, self._model)
        self._position = before or Position(self._model, stretch.since, stretch.since)

    def told(self, history: History) -> Told:
        """All of it; what was told is noted at every tick, and where somebody interrupts."""
        plan, stretch = self._plan, self._stretch
        try:
            for begin, end in boundaries(stretch.since, stretch.until, plan.every or timedelta(days=1)):
                for one in moments(history, begin, end, plan.step):
                    self._hear(one)
                self._come_to(end)
                if plan.every is not None and micros(end) % (plan.every // _MICROSECOND) == 0:
                    self._tick(end)
                position.keep(self._workspace, self._position)
        finally:
            position.keep(self._workspace, self._position)
        return self._told

    def _hear(self, one: Moment) -> None:
        self._pace(one.at)
        self._hand.set(one.at)
        with self._timed("facts"):
            self._lanes.send([*_facts(one)])
        with self._timed("questions"):
            heard = self._asked([*_labels(self._model, one), *_questions(self._model, one)])
        self._note(one, heard)
        self._listeners.moment(self._told)

    def _asked(self, requests: Sequence[Sent]) -> list[Heard]:
        """What was heard; of questions refused together each is asked alone, as one that is wrong refuses all."""
        heard = self._lanes.send(requests)
        alone = [one for one in heard if one.status != 200 and len(one.sent.body["rows"]) > 1]
        if not alone:
            return heard
        kept = [one for one in heard if one.status == 200 or len(one.sent.body["rows"]) == 1]
        return kept + self._lanes.send([
            Sent(one.sent.path, {"rows": [row]}, f"{one.sent.name}-{place}")
            for one in alone for place, row in enumerate(one.sent.body["rows"])
        ])  # fmt: skip

    def _note(self, one: Moment, heard: Sequence[Heard]) -> None:
        told, kept = self._told, self._position
        for answered in heard:
            if answered.sent.name is None:
                continue
            told.seconds.append(answered.seconds)
            said = [row["rung"] for row in answered.answer["predictions"]] if answered.status == 200 else ["refused"]
            for rung in said:
                told.rungs[rung] = told.rungs.get(rung, 0) + 1
        for name, count in (
            ("questions", len(one.questions)),
            ("labels", len(one.labels)),
            ("facts", sum(map(len, one.facts.values()))),
        ):
            setattr(told, name, getattr(told, name) + count)
            setattr(kept, name, getattr(kept, name) + count)
        told.at, kept.until = one.at, one.at + _MICROSECOND

    def _come_to(self, end: datetime) -> None:
        self._pace(end)
        self._hand.set(end)
        self._told.at = self._position.until = end

    def _tick(self, at: datetime) -> None:
        """The story stands still meanwhile, also while a successor is trained: that takes no time of it."""
        plan = self._plan
        if plan.grow and plan.history is not None and at - self._grown >= LOADED:
            with self._timed("growing"):
                grow(self._project, self._grown, at, folder=plan.history, faults=plan.faults)
                self._grown = at
        with self._timed("ticks"):
            hand_over(self._workspace, self._hand)
            done = tick(self._workspace, now=at, wait=True)
            take_up(self._workspace, self._model)
        self._told.ticks += 1
        self._position.ticks += 1
        for one in done:
            if one.failed:
                self._told.failed[f"{one.job} {one.model or ''}".strip()] = one.sentence
        self._listeners.ticked(at, done)

    def _pace(self, at: datetime) -> None:
        """Wait where the story would run faster than it may."""
        if self._plan.speed is not None:
            due = (at - self._stretch.since).total_seconds() / self._plan.speed
            time.sleep(max(0.0, due - (time.perf_counter() - self._begun)))

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            took = self._told.took
            took[what] = took.get(what, 0.0) + time.perf_counter() - begin


def _facts(one: Moment) -> Iterator[Sent]:
    for source, rows in one.facts.items():
        for part in _parts(rows, FACTS):
            yield Sent(f"/facts/{source}", {"rows": part})


def _labels(model: str, one: Moment) -> Iterator[Sent]:
    for part in _parts(one.labels, FACTS):
        yield Sent(f"/labels/{model}", {"labels": part})


def _questions(model: str, one: Moment) -> Iterator[Sent]:
    """Named by their moment: told again after a kill, they get the answers that they got."""
    for place, part in enumerate(_parts(one.questions, TOGETHER)):
        yield Sent(f"/predict/{model}", {"rows": part}, f"{TOLD}{micros(one.at)}-{place}")


def _parts(rows: list[Row], most: int) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(rows), most):
        yield rows[first : first + most]
