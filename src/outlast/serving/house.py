"""The versions a process serves: loaded from the ledger, changed without a failed request when it changes.

A change is taken in this order: load and warm the new version aside, note in the ledger that it is being taken, swap
one reference, let requests under way finish on the old version, note that it was released. So every answer's version
lies in a span of `history` that was open when it was given.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection

from outlast.bundle.predictor import Predictor
from outlast.errors import NotFound, OutlastError, StorageError, nearest
from outlast.journal.strays import Strays, last_count
from outlast.project.workspace import Workspace
from outlast.registry import versions
from outlast.serving.admitting import Admission
from outlast.serving.beside import Beside, Seat
from outlast.serving.challengers import Challengers
from outlast.serving.loading import Loader, Opener, sentence
from outlast.serving.memory import Known, Memory
from outlast.serving.seats import Seats
from outlast.serving.spans import Spans
from outlast.serving.spare.prover import Prover
from outlast.types import Clock, now

_PATIENCE = 10.0
"""Seconds that a start waits for proofs."""
_NOTHING = "nothing of it is served"
_log = logging.getLogger("outlast.serving")


class House:
    """Live versions by model. `start` loads them and watches the ledger; `take` gives one to a request."""

    def __init__(
        self,
        workspace: Workspace,
        opener: Opener,
        *,
        server: str,
        models: Collection[str] | None = None,
        poll: float = 0.25,
        prover: Prover | None = None,
        clock: Clock = now,
    ) -> None:
        self.server = server
        self.down: str | None = None
        self.unread: str | None = None
        self.refused: dict[str, str] = {}
        self._workspace, self._poll, self._clock = workspace, poll, clock
        self._memory = Memory(workspace.home / "serving")
        self._admission = Admission(workspace, models, self._doubt)
        self._seats, self._loader = Seats(), Loader(workspace, opener, clock, prover=prover)
        self._spans = Spans(workspace, server, clock)
        self._challengers = Challengers(self._seats, self._loader, self._spans, clock)
        self._stop, self._wake, self._prover = threading.Event(), threading.Event(), prover
        if prover is not None:
            prover.done = self._wake.set
        self.proving: dict[str, int] = {}
        """Versions that are tried in spare processes, by model: they answer once they have passed."""
        self._thread: threading.Thread | None = None
        self._looking = threading.Lock()
        self._on_beat: Callable[[], None] = lambda: None

    def start(self, on_beat: Callable[[], None] = lambda: None) -> None:
        """Load what is live, from memory when the ledger is down, and watch from now on."""
        self._on_beat = on_beat
        self.look()
        if self.down is not None:
            self._recall()
        self._await_proofs()
        self._thread = threading.Thread(target=self._watch, name="outlast-house", daemon=True)
        self._thread.start()

    def take(self, model: str) -> Seat:
        """The live version of a model, for one request: use it in a `with`."""
        seat = self._seats.take(model)
        if seat is None:
            raise self._nothing(model)
        return seat

    def take_beside(self, model: str) -> Beside | None:
        """The challenger of a model, for one request: use its seat in a `with`; None where there is none."""
        return self._seats.take_beside(model)

    def challengers(self) -> dict[str, Beside]:
        """What stands beside what is served, by model."""
        return self._seats.challengers()

    @property
    def turned_away(self) -> dict[str, str]:
        """Challengers that could not be loaded; what is live goes on without them."""
        return self._challengers.turned_away

    def under_way(self) -> int:
        """How many requests are being answered now."""
        return self._seats.under_way()

    def predictors(self) -> dict[str, Predictor]:
        """What is served, by model."""
        return self._seats.predictors()

    def every_model(self) -> list[str]:
        """The models there are, served or not; StorageError when the ledger is down."""
        return versions.models(self._workspace.ledger)

    def labels(self) -> dict[str, Strays]:
        """What became of the labels of what is served, by the last tick's count; nothing while the ledger is down."""
        if self.down is not None:
            return {}
        try:
            found = last_count(self._workspace.ledger)
        except StorageError:
            return {}  # the next look says so
        served = self.predictors()
        return {model: one for model, one in found.items() if model in served}

    @property
    def watching(self) -> bool:
        """Whether changes of the ledger are still being taken."""
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> None:
        """Take what has changed in the ledger; without it, go on with what is there."""
        with self._looking:
            try:
                self._loader.proving = {}
                wanted, beside = self._admission.wanted(self._seats.live.keys())
                self._take_changes(wanted)
                self._challengers.take(beside)
                self._spans.settle(self._seats)
                self._loader.let_go(self._seats.uses, self._seats.beside.__contains__)
            except OutlastError as error:
                if self.down is None:
                    _log.warning("The ledger cannot be read, serving goes on with what is loaded: %s", error)
                self.down = str(error)
            else:
                if self.down is not None:
                    _log.warning("The ledger can be read again")
                self.down = None
            self.proving = self._loader.proving
            self._look_at_fresh()

    def close(self) -> None:
        """Stop watching and note in the ledger that nothing is served here any more."""
        self._stop.set()
        self._wake.set()
        if self._prover is not None:
            self._prover.close()
        if self._thread is not None:
            self._thread.join()
        self._seats.clear()
        self._loader.end()
        try:
            self._spans.settle(self._seats, ending=True)
        except StorageError as error:
            _log.warning("Could not note in the ledger that serving ended: %s", error)

    def _look_at_fresh(self) -> None:
        """Note whether fresh values can be read: what looks anything up answers by a lower rung while they cannot."""
        before, self.unread = self.unread, None
        try:
            self._workspace.fresh.digests()
        except StorageError as error:
            self.unread = str(error)
        if (before is None) != (self.unread is None):
            said = f"cannot be read, what needs them answers by a lower rung: {self.unread}"
            _log.warning("Fresh values %s", said if self.unread else "can be read again")

    def _watch(self) -> None:
        while not self._pause():
            try:
                self.look()
                self._on_beat()
            except Exception:  # noqa: BLE001 - the outermost edge of this thread, which must not end
                _log.exception("Looking for changes failed and is tried again")

    def _pause(self) -> bool:
        """Wait for the next look, no longer than until a trial has ended; whether there is to be none any more."""
        self._wake.wait(self._poll)
        if self._stop.is_set():
            return True
        self._wake.clear()
        return False

    def _await_proofs(self) -> None:
        """Give what is live time to be proven before anybody asks; what takes longer is taken when it has passed."""
        until = time.monotonic() + _PATIENCE
        while self.proving.keys() - self._seats.live.keys() and time.monotonic() < until and not self._pause():
            self.look()
            self._on_beat()

    def _take_changes(self, wanted: dict[str, Known]) -> None:
        live, doubts = self._seats.live, self._admission.doubts
        for model, known in wanted.items():
            seat = live.get(model)
            if seat is None or seat.predictor.version != known.version:
                self._bring(known)
            else:
                self._mark(seat, known)
                self._loader.forgive(known)
                self.refused.pop(model, None)
        for model in [model for model in live if model not in wanted and not doubts(model)]:
            self._seats.empty(model)
            self._memory.forget(model)
            _log.info("No longer serving %s: nothing of it is live", model)
        for model in [model for model in self.refused if model not in wanted and not doubts(model)]:
            self.refused.pop(model)

    def _mark(self, seat: Seat, known: Known) -> None:
        """Answers are advice from now on, or no longer."""
        if seat.advice != known.advice:
            seat.advice = known.advice
            self._memory.remember(known)

    def _bring(self, known: Known) -> None:
        predictor = self._loader.get(known, self._refuse)
        if predictor is None:
            if known.model in self.refused and known.model not in self._seats.live:
                self._stay(known)
            return
        self._sit(known, predictor, self._spans.taking(known))
        self._memory.remember(known)
        self.refused.pop(known.model, None)
        _log.info("Serving %s@%d", known.model, known.version)

    def _stay(self, refused: Known) -> None:
        """Serve what was served here last, as would have gone on had this process not been started anew."""
        last = self._memory.last(refused.model)
        if last is None or last.version == refused.version or not self._admission.was_let_out(last):
            return
        predictor = self._loader.get(last, lambda known, error, first: None)
        if predictor is not None:
            self._sit(last, predictor, self._spans.taking(last))
            self.refused[refused.model] = self.refused[refused.model].replace(_NOTHING, self._instead(refused.model), 1)
            _log.warning("Serving %s@%d, which was served here last", last.model, last.version)

    def _sit(self, known: Known, predictor: Predictor, span: int | None) -> None:
        seat = Seat(predictor, self._clock(), span, self._seats.lock)
        seat.advice = known.advice
        self._seats.swap(known.model, seat)

    def _doubt(self, model: str, error: OutlastError) -> None:
        self.refused[model] = f"What is live of {model} is refused, {self._instead(model)}: {error}"

    def _refuse(self, known: Known, error: Exception, first: bool) -> None:
        said = f"{known.model}@{known.version} could not be loaded, {self._instead(known.model)}: {sentence(error)}"
        if self.refused.get(known.model) != said:
            self._spans.trouble(known, said)
        self.refused[known.model] = said
        if first:
            _log.error(said, exc_info=error)

    def _instead(self, model: str) -> str:
        seat = self._seats.live.get(model)
        return f"version {seat.predictor.version} stays" if seat else _NOTHING

    def _recall(self) -> None:
        waits = True
        while waits:
            self._loader.proving = {}
            for known in self._memory.recall():
                if known.model not in self._seats.live and self._admission.asked_for(known.model):
                    self._remember(known)
            waits = bool(self._loader.proving) and not self._pause()
        if not self._seats.live:
            raise StorageError(f"{self.down}; and nothing was served here before, so there is nothing to start from")

    def _remember(self, known: Known) -> None:
        predictor = self._loader.get(known, self._refuse)
        if predictor is not None:
            self._sit(known, predictor, None)
            _log.warning("Serving %s@%d from memory: the ledger is down", known.model, known.version)

    def _nothing(self, model: str) -> OutlastError:
        why = f" ({self.refused[model]})" if model in self.refused else ""
        return NotFound(f"No model '{model}' is served here{why}: {nearest(model, list(self.predictors()))}")
