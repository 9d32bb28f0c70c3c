"""Requests in flight, computed together: whoever comes while one batch is computed is in the next.

There is no timer. Between two batches, and before a first one, lie two turns of the event loop, in which the answers of
the last are sent and whatever has arrived is read; one turn would find half as many, and all callers wait at once.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.bundle.requests import Asked
from outlast.bundle.steps import watched
from outlast.errors import OutlastError, StorageError, Unavailable
from outlast.journal.journal import Journal
from outlast.serving.caching import Caching
from outlast.serving.handling import Handled, current, handle
from outlast.serving.metrics import Metrics
from outlast.types import micros, now

MOST_AT_ONCE = 64
"""Rows of one batch: more would hold up the event loop for longer than a request should wait."""
ROOM = 2_000
"""Rows that may wait; whoever comes then is told to come again."""


class Busy(Unavailable):
    """More wait already than can be answered soon."""

    again = 1
    """Seconds after which it is worth to try again."""


class Late(Unavailable):
    """The caller no longer waits for this answer."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request in the queue, decoded."""

    predictor: Predictor
    asked: list[Asked]
    request_id: str
    until: float | None
    begun: float
    since: float
    answers: asyncio.Future[list[Answer]]
    handled: Handled


class Together:
    """The queue of one event loop, and what empties it."""

    def __init__(self, journal: Journal, metrics: Metrics, server: str, *, room: int = ROOM) -> None:
        self._journal, self._metrics, self._server, self._room = journal, metrics, server, room
        self._cached = Caching(metrics.cached).answers
        self._queue: deque[_Waiting] = deque()
        self._rows = 0
        self._due = False

    @property
    def waiting(self) -> int:
        """How many rows wait to be computed."""
        return self._rows

    async def answers(
        self, predictor: Predictor, rows: Sequence[Mapping[str, Any]], request_id: str, *, within: float | None = None
    ) -> list[Answer]:
        """The answers to a request, in the journal before they are given; the caller waits `within` so many seconds.

        RequestError where a row cannot be answered as it is, Busy where too many wait, Late where the time ran out.
        """
        handled, begin = current(), perf_counter()
        handled.predictor = predictor
        asked = predictor.decode(rows, micros(now()))
        since = self._metrics.step("validate", begin)
        if self._rows and self._rows + len(asked) > self._room:
            self._metrics.left_out["busy"].inc()
            raise Busy(f"{self._rows} rows wait here already, of {self._room} that may: ask again in a second")
        loop = asyncio.get_running_loop()
        until = None if within is None else begin + within
        one = _Waiting(predictor, asked, request_id, until, begin, since, loop.create_future(), handled)
        self._queue.append(one)
        self._rows += len(asked)
        if not self._due:
            self._due = True
            self._in_two_turns()
        return await one.answers

    def apart(
        self, predictor: Predictor, rows: Sequence[Mapping[str, Any]], request_id: str, *, until: float | None
    ) -> list[Answer]:
        """The answers to a request that is a batch by itself, in whatever thread this is called."""
        handled, begin = current(), perf_counter()
        if until is not None and begin > until:
            raise self._late()
        handled.predictor = predictor
        asked = predictor.decode(rows, micros(now()))
        self._metrics.step("validate", begin)
        (found,) = self._computed(predictor, [asked])
        self._keep(predictor, [(found, request_id, handled)], [begin])
        return found

    def _compute(self) -> None:
        batch = self._next()
        try:
            if batch:
                self._answer(batch)
        finally:
            self._due = bool(self._queue)
            if self._due:
                self._in_two_turns()

    def _in_two_turns(self) -> None:
        """Compute when what is answered has been sent, and what has arrived been read."""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._compute)

    def _next(self) -> list[_Waiting]:
        """The oldest request, and those behind it that the same version answers, up to a batch."""
        queue, begin = self._queue, perf_counter()
        batch: list[_Waiting] = []
        size = 0
        while queue and (not batch or size + len(queue[0].asked) <= MOST_AT_ONCE):
            if batch and queue[0].predictor is not batch[0].predictor:
                break
            one = queue.popleft()
            self._rows -= len(one.asked)
            self._metrics.step("wait", one.since, one.handled)
            if one.answers.done():
                self._metrics.left_out["gone"].inc()
                continue  # whoever asked has gone
            if one.until is not None and begin > one.until:
                one.answers.set_exception(self._late())
                continue
            batch.append(one)
            size += len(one.asked)
        if batch:
            self._metrics.rows_at_once.observe(size)
        return batch

    def _answer(self, batch: list[_Waiting]) -> None:
        """Compute a batch; where that fails for all of them, each alone, so that it costs nobody else an answer."""
        handle(*[one.handled for one in batch])
        try:
            self._give(batch)
        except OutlastError as error:
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                for one in batch:
                    self._answer([one])
        finally:  # what nobody foresaw goes on to the event loop's log, and must leave nobody waiting
            for one in batch:
                _fail(one, RuntimeError("computing a batch ended without its answers"))

    def _give(self, batch: list[_Waiting]) -> None:
        predictor = batch[0].predictor
        found = self._computed(predictor, [one.asked for one in batch])
        try:
            kept = [(answers, one.request_id, one.handled) for one, answers in zip(batch, found, strict=True)]
            self._keep(predictor, kept, [one.begun for one in batch])
        except StorageError as error:  # what is not in the journal is not answered, and not computed again
            for one in batch:
                _fail(one, error)
            return
        for one, answers in zip(batch, found, strict=True):
            if not one.answers.done():
                one.answers.set_result(answers)

    def _computed(self, predictor: Predictor, requests: list[list[Asked]]) -> list[list[Answer]]:
        with watched() as marks:
            answers = iter(self._cached(predictor, [row for asked in requests for row in asked], micros(now())))
        found = [[next(answers) for _ in asked] for asked in requests]
        self._metrics.steps(marks)
        return found

    def _keep(
        self, predictor: Predictor, found: list[tuple[list[Answer], str, Handled]], begun: Sequence[float]
    ) -> None:
        begin = perf_counter()
        pairs = [(answers, name) for answers, name, _ in found]
        took = [int((begin - one) * 1e6) for one in begun]
        if lost := self._journal.together(pairs, predictor, server=self._server, took=took):
            self._metrics.unwritten(predictor.model, lost)
        self._metrics.step("journal", begin)
        self._metrics.answered(predictor, [(answers, handled) for answers, _, handled in found])

    def _late(self) -> Late:
        self._metrics.left_out["late"].inc()
        return Late("The time this request was given ran out before its turn: nothing was computed")


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.answers.done():
        one.answers.set_exception(error)
