"""Asking a challenger that nobody hears: after the answer, aside, and never at its expense."""

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from msgspec.structs import replace

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, new_id
from outlast.bundle.requests import Asked
from outlast.errors import OutlastError
from outlast.journal.journal import Journal
from outlast.serving.beside import Seat
from outlast.serving.metrics import Metrics
from outlast.serving.together import MOST_AT_ONCE

_log = logging.getLogger("outlast.serving")
ROOM = 256
"""Requests that may wait to be asked again; more are left out and counted."""
_GATHER = 0.02
"""Seconds in which requests gather: nobody waits for a shadow, and some at once take a fifth of the time."""


class _Asked(NamedTuple):
    seat: Seat
    rows: Sequence[Any]
    answers: Sequence[Answer]
    request_id: str


class Shadows:
    """A thread that asks challengers what callers were answered already, as of the same moment."""

    def __init__(self, journal: Journal, metrics: Metrics, server: str) -> None:
        self._journal, self._metrics, self._server = journal, metrics, server
        self._waiting: queue.Queue[_Asked] = queue.Queue(ROOM)
        self._came, self._ending = threading.Event(), threading.Event()
        self._failed: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="outlast-shadow", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask what waits, and end."""
        self._ending.set()
        self._came.set()
        if self._thread.is_alive():
            self._thread.join()

    def ask(self, seat: Seat, rows: Sequence[Any], answers: Sequence[Answer], request_id: str) -> None:
        """Ask a version when there is time for it; it is not let go before."""
        seat.stay()
        try:
            self._waiting.put_nowait(_Asked(seat, rows, answers, request_id))
        except queue.Full:
            with seat as predictor:
                self._metrics.missed(predictor.model, predictor.version, "busy", len(rows))
        else:
            if not self._came.is_set():
                self._came.set()

    def _work(self) -> None:
        last = False
        while not last:
            self._came.wait()
            last = self._ending.wait(_GATHER)
            self._came.clear()
            for some in self._gathered():
                with ExitStack() as seats:
                    predictors = [seats.enter_context(one.seat) for one in some]
                    self._ask(predictors[0], some)

    def _gathered(self) -> Iterator[list[_Asked]]:
        """What waits, in parts that one version answers at once."""
        part: list[_Asked] = []
        size = 0
        while True:
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                break
            if part and (one.seat is not part[0].seat or size + len(one.rows) > MOST_AT_ONCE):
                yield part
                part, size = [], 0
            part.append(one)
            size += len(one.rows)
        if part:
            yield part

    def _ask(self, predictor: Predictor, some: Sequence[_Asked]) -> None:
        """Ask a version; where it fails for all of them, each alone."""
        try:
            found = _asked_again(predictor, some)
            named = [(answers, one.request_id) for answers, one in zip(found, some, strict=True)]
            self._journal.shadows(named, predictor, server=self._server)
        except OutlastError as error:
            if len(some) > 1:
                for one in some:
                    self._ask(predictor, [one])
                return
            self._tell(predictor.model, predictor.version, error)
            self._metrics.missed(predictor.model, predictor.version, "failed", len(some[0].rows))
        else:
            for answers, one in zip(found, some, strict=True):
                self._metrics.shadowed(predictor, answers, one.answers)

    def _tell(self, model: str, version: int, error: OutlastError) -> None:
        """Say once for each version that it fails; metrics count how often. No message: it may quote the request."""
        name = f"{model}@{version}"
        if name not in self._failed:
            self._failed.add(name)
            _log.error("%s fails as a shadow: %s", name, type(error).__name__)


def _asked_again(predictor: Predictor, some: Sequence[_Asked]) -> list[list[Answer]]:
    """What a version answers to some requests, each as of the moment when it was asked the first time."""
    asked = [_decoded(predictor, one) for one in some]
    answers = iter(predictor.answer([row for rows in asked for row in rows], max(_at(one) for one in some)))
    return [[_dated(next(answers), _at(one)) for _ in rows] for rows, one in zip(asked, some, strict=True)]


def _decoded(predictor: Predictor, one: _Asked) -> list[Asked]:
    first, time = one.answers[0], predictor.time
    timed = time is not None and one.rows[0].get(time) is not None
    return predictor.decode(one.rows, first.at if timed else first.decide_at)


def _at(one: _Asked) -> int:
    return one.answers[0].at


def _dated(answer: Answer, at: int) -> Answer:
    return answer if answer.at == at else replace(answer, prediction_id=new_id(at), at=at)
