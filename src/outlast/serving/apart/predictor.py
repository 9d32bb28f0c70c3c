"""A version that is answered by a process of its own: it decodes and degrades here, and computes there."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from outlast.bundle.answers import Answer
from outlast.bundle.falls import Lower
from outlast.bundle.format import Bundle
from outlast.bundle.frames import LookUp
from outlast.bundle.freshness import Freshness
from outlast.bundle.lookups import read_back
from outlast.bundle.predictor import Predictor, open_bundle
from outlast.bundle.requests import Asked
from outlast.data import schema as schemas
from outlast.errors import RequestError, StorageError, Unavailable
from outlast.features.compiled import CompiledLookup
from outlast.project.workspace import Workspace
from outlast.serving.apart.worker import Gone, Worker
from outlast.serving.memory import Known

PATIENCE = 10.0
"""Seconds that a request waits for the process at most."""
_START = 120.0
_AGAIN, _LATEST = 1.0, 60.0
"""Seconds until a process that could not be started is started again, and at most after several times."""
_log = logging.getLogger("outlast.serving")


class _Raw(Asked, frozen=True):
    """A decoded row, and what it was decoded from: the process decodes for itself."""

    row: Any = None


class Apart(Predictor):
    """Asks its process; where that does not answer, what the contract declares does, and another is started."""

    apart = True

    def __init__(self, bundle: Bundle, version: int, workspace: Workspace, python: Path) -> None:
        self._describe(bundle, version)
        self._known = Known(self.model, version, bundle.digest)
        self._begin: Callable[[], Worker] = lambda: Worker(workspace, self._known, python, seconds=_START)
        manifest = bundle.manifest
        known = {name: schemas.from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
        self._lookups = [read_back(kept, known) for kept in manifest["lookups"]]
        self._freshness = Freshness(
            self._lookups, workspace.fresh, self.contract.serving.stale, required="simpler" in manifest
        )
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._worker: Worker | None = self._begin()

    @property
    def pid(self) -> int | None:
        """The process that answers now."""
        worker = self._worker
        return None if worker is None else worker.pid

    @property
    def lookups(self) -> list[CompiledLookup]:
        return self._lookups

    @property
    def simpler_features(self) -> list[str] | None:
        simpler = self.manifest.get("simpler")
        return None if simpler is None else simpler["features"]

    def ages(self, now: int) -> dict[str, float]:
        return self._freshness.ages(now)

    def decode(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[Asked]:
        decoded = super().decode(rows, now)
        return [
            _Raw(one.values, one.key, one.decide_at, one.warnings, one.lower, row)
            for one, row in zip(decoded, rows, strict=True)
        ]

    def answer(self, asked: list[Asked], now: int, look_up: LookUp | None = None) -> list[Answer]:
        if look_up is not None:
            raise self._elsewhere("looks up in fresh values only")
        try:
            said = self._said([one.row for one in asked if isinstance(one, _Raw)], now)
        except Gone as error:
            return self._degraded(asked, now, Lower("default", (str(error),), ("process",)), error)
        if "error" in said:
            kind = RequestError if said["asked"] else Unavailable
            raise kind(said["error"], details=said["details"])
        return [_answer(one) for one in said["answers"]]

    def features_of(
        self, rows: Sequence[Mapping[str, Any]], *, at: Sequence[int], look_up: LookUp
    ) -> list[dict[str, Any]]:
        raise self._elsewhere("cannot compute features alone")

    def score_features(self, x: Any) -> list[list[float]]:
        raise self._elsewhere("cannot be asked for its model alone")

    def over(self, store: Any) -> Predictor:
        raise self._elsewhere("reads the workspace's own fresh values")

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def _elsewhere(self, what: str) -> StorageError:
        return StorageError(f"{self.model}@{self.version} is answered by a process of its own and {what}")

    def _said(self, rows: list[Any], now: int) -> dict[str, Any]:
        if not self._lock.acquire(timeout=PATIENCE):
            raise Gone("the process that answers for it is busy")
        try:
            if self._worker is None:
                raise Gone("the process that answers for it is being started again")
            try:
                return self._worker.ask(rows, now, seconds=PATIENCE)
            except Gone as error:
                _log.error("%s@%d: %s; another is started", self.model, self.version, error)
                self._worker.stop()
                self._worker = None
                threading.Thread(target=self._replace, name="outlast-apart", daemon=True).start()
                raise
        finally:
            self._lock.release()

    def _replace(self) -> None:
        wait = _AGAIN
        while not self._closed.is_set():
            try:
                worker = self._begin()
            except (Gone, OSError) as error:
                _log.error("%s@%d: its process could not be started again: %s", self.model, self.version, error)
                self._closed.wait(wait)
                wait = min(wait * 2, _LATEST)
                continue
            with self._lock:
                if not self._closed.is_set():
                    self._worker = worker
                    _log.warning("%s@%d is answered by a new process", self.model, self.version)
                    return
            worker.stop()


def open_apart(workspace: Workspace, known: Known, python: Path) -> Apart:
    """A version, opened by another Python in a process of its own. Nothing of it is executed here."""
    return Apart(open_bundle(workspace, known.digest), known.version, workspace, python)


def _answer(said: Mapping[str, Any]) -> Answer:
    """An answer of a process that may be of another release: what it does not know is left out, and the reverse."""
    return Answer(**{name: value for name, value in said.items() if name in Answer.__struct_fields__})
