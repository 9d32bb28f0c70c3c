"""Bringing versions into this process: loaded and warmed before they answer, kept for a while after, and let go."""

import ctypes
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from outlast.bundle.predictor import Predictor
from outlast.errors import OutlastError
from outlast.project.workspace import Workspace
from outlast.serving.admitting import AGAIN
from outlast.serving.apart.predictor import open_apart
from outlast.serving.memory import Known
from outlast.serving.spare.prover import Prover
from outlast.types import Clock

Opener = Callable[[Workspace, str, int], Predictor]
Failed = Callable[[Known, Exception, bool], None]
"""Is told which version could not be loaded, why, and whether it is the first time."""
KEPT = 2
"""Versions of a model kept loaded: the one that is live, and the one before, so that a rollback is a swap."""
_TURN = 0.0001
"""Seconds of such a turn at most."""
_LATEST = 160.0
"""Seconds after which, at the latest, what failed again and again is tried once more."""
_log = logging.getLogger("outlast.serving")


class _Failure(NamedTuple):
    times: int
    again: float


class Loader:
    """The versions that are loaded, by model, the one used last at the end."""

    def __init__(self, workspace: Workspace, opener: Opener, clock: Clock, *, prover: Prover | None = None) -> None:
        self._workspace, self._opener, self._clock, self._prover = workspace, opener, clock, prover
        self._kept: dict[str, list[Predictor]] = {}
        self._failed: dict[tuple[str, int], _Failure] = {}
        self.proving: dict[str, int] = {}
        """Versions that are being tried in spare processes now, as far as they were asked for."""

    def get(self, known: Known, failed: Failed) -> Predictor | None:
        """The version, loaded and warmed; None while it is proven aside, and where it cannot be loaded, of which
        `failed` is told."""
        kept = self._kept.setdefault(known.model, [])
        for predictor in kept:
            if (predictor.version, predictor.digest) == (known.version, known.digest):
                kept.remove(predictor)
                kept.append(predictor)
                return predictor
        tried = self._failed.get((known.model, known.version))
        if tried is not None and time.monotonic() < tried.again:
            return None
        try:
            if self._prover is not None and not self._prover.proven(known):
                self.proving[known.model] = known.version
                return None
            with giving_way():
                predictor = self._opened(known)
        except Exception as error:  # noqa: BLE001 - the user's code runs here, and may raise anything
            times = 1 if tried is None else tried.times + 1
            wait = min(AGAIN * 2 ** (times - 1), _LATEST)
            self._failed[known.model, known.version] = _Failure(times, time.monotonic() + wait)
            failed(known, error, tried is None)
            return None
        kept.append(predictor)
        return predictor

    def forgive(self, known: Known) -> None:
        """It is in service: that it failed once says nothing any more."""
        self._failed.pop((known.model, known.version), None)

    def first_to_go(self, one: Predictor, live: Predictor | None) -> None:
        """What stood beside is let go before what was live: a rollback never brings it back."""
        kept = self._kept[one.model]
        if one in kept and one is not live:
            kept.remove(one)
            kept.insert(0, one)

    def let_go(self, used: Callable[[Predictor], bool], beside: Callable[[str], bool]) -> None:
        """Close what is neither used nor among the last ones; a challenger is one more."""
        closed = False
        for model, kept in self._kept.items():
            for old in [one for one in kept[: -(KEPT + beside(model))] if not used(one)]:
                kept.remove(old)
                old.close()
                closed = True
        if closed:
            give_back()

    def end(self) -> None:
        """End the processes of versions that have one."""
        for one in [one for kept in self._kept.values() for one in kept if one.apart]:
            one.close()

    def _opened(self, known: Known) -> Predictor:
        python = None if self._prover is None else self._prover.python_of(known)
        if python is None:
            predictor = self._opener(self._workspace, known.digest, known.version)
        else:
            predictor = open_apart(self._workspace, known, python)
        for _ in range(2):
            (answer,) = predictor.predict([predictor.example()], at=self._clock())
        if answer.rung != "full":
            said = "; ".join(answer.reasons)
            _log.warning("%s@%d answers its own example by its %s: %s", known.model, known.version, answer.rung, said)
        return predictor


@contextmanager
def giving_way() -> Iterator[None]:
    """Let who answers take turns more often meanwhile: opening a version is a second of Python beside the requests."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, _TURN))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def give_back() -> None:
    """Let the system have the memory of what was closed; the C library would keep it for later."""
    with suppress(OSError, AttributeError):  # another C library, which has its own ways
        ctypes.CDLL(None).malloc_trim(0)


def sentence(error: Exception) -> str:
    """What went wrong, for people."""
    return str(error) if isinstance(error, OutlastError) else f"{type(error).__name__}: {error}"
