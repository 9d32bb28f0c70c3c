"""Challengers: versions that stand beside what is live, asked without being heard, or heard by some."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from types import TracebackType

from outlast.bundle.predictor import Predictor
from outlast.registry.rollout import ANSWERING

_log = logging.getLogger("outlast.serving")
_PARTS = 10_000


class Seat:
    """A version in service; `with` counts a request as under way, so that the version is let go only after it."""

    def __init__(self, predictor: Predictor, since: datetime, span: int | None, lock: threading.Lock) -> None:
        self.predictor, self.since, self.span = predictor, since, span
        self.advice = False
        self.role: str | None = None
        self.flying = 0
        self._lock = lock

    def stay(self) -> None:
        """Count one more use of it, to be ended by a `with`."""
        with self._lock:
            self.flying += 1

    def __enter__(self) -> Predictor:
        return self.predictor  # counted by House.take, under the lock that guards the swap

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self.flying -= 1


@dataclass(frozen=True)
class Beside:
    """A challenger in its seat: its stage, and the share of requests in percent that it answers."""

    seat: Seat
    stage: str
    share: float | None

    @property
    def heard(self) -> bool:
        """Whether callers get its answers."""
        return self.stage in ANSWERING

    def answers(self, key: str) -> bool:
        """Whether it answers for a key: the same on every server, and for a larger share for no key less.

        Another version draws other keys, so that it is not always the same people who are asked to try.
        """
        if not self.heard or self.share is None:
            return False
        one = self.seat.predictor
        drawn = blake2b(f"{one.model}\x1f{one.version}\x1f{key}".encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(drawn, "big") % _PARTS < self.share * _PARTS / 100

    def __str__(self) -> str:
        share = "" if self.share is None else f" {self.share:g}%"
        return f"{self.seat.predictor.version} as {self.stage}{share}"
