"""Asking a challenger that nobody hears: after the answer, aside, and never at its expense."""

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.errors import OutlastError
from outlast.journal.journal import Journal
from outlast.serving.beside import Seat
from outlast.serving.metrics import Metrics

_log = logging.getLogger("outlast.serving")
ROOM = 256
"""Requests that may wait to be asked again; more are left out and counted."""


class _Asked(NamedTuple):
    seat: Seat
    rows: Sequence[Any]
    answers: Sequence[Answer]
    request_id: str


class Shadows:
    """A thread that asks challengers what callers were answered already, as of the same moment."""

    def __init__(self, journal: Journal, metrics: Metrics, server: str) -> None:
        self._journal, self._metrics, self._server = journal, metrics, server
        self._waiting: queue.Queue[_Asked | None] = queue.Queue(ROOM)
        self._failed: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="outlast-shadow", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask what waits, and end."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def ask(self, seat: Seat, rows: Sequence[Any], answers: Sequence[Answer], request_id: str) -> None:
        """Ask a version when there is time for it; it is not let go before."""
        seat.stay()
        try:
            self._waiting.put_nowait(_Asked(seat, rows, answers, request_id))
        except queue.Full:
            with seat as predictor:
                self._metrics.missed(predictor.model, predictor.version, "busy", len(rows))

    def _work(self) -> None:
        while (one := self._waiting.get()) is not None:
            with one.seat as predictor:
                try:
                    found = _asked_again(predictor, one)
                    self._journal.shadows(found, predictor, request_id=one.request_id, server=self._server)
                except OutlastError as error:
                    self._tell(predictor.model, predictor.version, error)
                    self._metrics.missed(predictor.model, predictor.version, "failed", len(one.rows))
                else:
                    self._metrics.shadowed(predictor, found, one.answers)

    def _tell(self, model: str, version: int, error: OutlastError) -> None:
        """Say once for each version that it fails; metrics count how often. No message: it may quote the request."""
        name = f"{model}@{version}"
        if name not in self._failed:
            self._failed.add(name)
            _log.error("%s fails as a shadow: %s", name, type(error).__name__)


def _asked_again(predictor: Predictor, one: _Asked) -> list[Answer]:
    """What a version answers to a request, as of the moment when it was asked the first time."""
    first, time = one.answers[0], predictor.time
    timed = time is not None and one.rows[0].get(time) is not None
    asked = predictor.decode(one.rows, first.at if timed else first.decide_at)
    return predictor.answer(asked, first.at)
