"""Trying versions aside, a few at a time, and knowing how that went."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from outlast.errors import OutlastError, Refused, StorageError
from outlast.project.workspace import Workspace
from outlast.serving.memory import Known
from outlast.serving.spare.elsewhere import own_environment
from outlast.serving.spare.process import Spare, Trial
from outlast.serving.spare.proofs import Proofs
from outlast.types import Clock, now

_log = logging.getLogger("outlast.serving")
Tell = Callable[[str, str], None]
"""Is told of which model a trial ended, and how."""


_TURN = 0.05
"""Seconds until a server looks again whether another has done its trial."""


def _locked(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Prover:
    """Proves versions in spare processes. `proven` never waits: it says whether, not yet, or why not."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        seconds: float,
        at_once: int | None = None,
        tell: Tell = lambda model, result: None,
        clock: Clock = now,
    ) -> None:
        self._workspace, self._seconds, self._tell, self._clock = workspace, seconds, tell, clock
        self._proofs = Proofs(workspace)
        self._pool = ThreadPoolExecutor(at_once or os.cpu_count() or 1, "outlast-prover")
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Trial]] = {}
        self._proven: dict[str, Path | None] = {}
        self._running: list[Spare] = []
        self._closing = threading.Event()
        self.done: Callable[[], None] = lambda: None
        """Called from another thread when a trial has ended."""

    def proven(self, known: Known) -> bool:
        """Whether it may be loaded; False while it is being tried; Refused where it did not pass, which is said once.

        Asked again after that, it is tried again.
        """
        if known.digest in self._proven:
            return True
        future = self._under_way.get(known.digest)
        if future is None:
            proof = self._proofs.find(known.digest)
            if proof is not None:
                self._proven[known.digest] = None if proof.python is None else Path(proof.python)
                return True
            future = self._under_way[known.digest] = self._pool.submit(self._try, known)
            future.add_done_callback(lambda _: self.done())
        if not future.done():
            return False
        del self._under_way[known.digest]
        trial = future.result()
        self._tell(known.model, trial.result)
        if not trial.passed:
            raise Refused(trial.says)
        self._proven[known.digest] = trial.python
        _log.info("%s@%d was proven aside in %.1f s", known.model, known.version, trial.seconds)
        return True

    def python_of(self, known: Known) -> Path | None:
        """The Python that a proven version needs a process of; None where it may be opened here."""
        return self._proven.get(known.digest)

    def close(self) -> None:
        """End what is being tried."""
        with self._lock:
            self._closing.set()
            running = list(self._running)
        for one in running:
            one.stop()
        self._pool.shutdown(cancel_futures=True)

    def _try(self, known: Known) -> Trial:
        with self._alone(known.digest):
            proof = self._proofs.find(known.digest)
            if proof is not None:  # another server of this machine was quicker
                return Trial("passed", "", 0.0, None if proof.python is None else Path(proof.python))
            trial = self._run(known)
            if trial.result in ("failed", "died"):
                trial = self._elsewhere(known, trial)
            if trial.passed:
                self._note(known, trial)
            return trial

    def _note(self, known: Known, trial: Trial) -> None:
        try:
            self._proofs.note(
                known.digest, at=self._clock(), seconds=trial.seconds, by="spare process", python=trial.python
            )
        except StorageError as error:
            _log.warning("%s@%d is proven, and will be again at the next start: %s", known.model, known.version, error)

    def _elsewhere(self, known: Known, here: Trial) -> Trial:
        """The trial in the environment that the version was made in, where that is another one."""
        try:
            made = own_environment(self._workspace, known.digest)
        except OutlastError as error:
            return replace(here, says=f"{here.says}; nor can the environment be made that it was trained in: {error}")
        if made is None:
            return here
        there = self._run(known, made.python)
        if there.passed:
            _log.warning("%s@%d needs %s: %s", known.model, known.version, made.says, here.says)
            return replace(there, python=made.python)
        return replace(here, says=f"{here.says}; nor does it pass in {made.says}: {there.says}")

    def _run(self, known: Known, python: Path | None = None) -> Trial:
        with self._lock:
            if self._closing.is_set():
                return Trial("stopped", "the server ended", 0.0)
            spare = Spare(self._workspace, known, seconds=self._seconds, python=python)
            self._running.append(spare)
        try:
            return spare.result()
        finally:
            with self._lock:
                self._running.remove(spare)

    @contextmanager
    def _alone(self, digest: str) -> Iterator[None]:
        """Wait for another server of this machine that tries the same version."""
        file = self._proofs.folder / f"{digest}.lock"
        with ExitStack() as opened:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                stream = opened.enter_context(file.open("w"))
                while not _locked(stream) and not self._closing.wait(_TURN):
                    pass
            except OSError as error:
                _log.warning("Could not write %s, so each server of this machine tries for itself: %s", file, error)
            yield
