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
from outlast.errors import NotFound, OutlastError, Refused, StorageError, nearest
from outlast.journal.strays import Strays, last_count
from outlast.project.workspace import Workspace
from outlast.registry import rollout, served, trust, versions
from outlast.serving.beside import Beside, Seat
from outlast.serving.memory import Known, Memory
from outlast.types import Clock, now

Opener = Callable[[Workspace, str, int], Predictor]
_log = logging.getLogger("outlast.serving")
_KEPT = 2
"""Versions of a model kept loaded: the one that is live, and the one before, so that a rollback is a swap."""
_AGAIN = 10.0
"""Seconds until a version that could not be loaded is tried again."""


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
        clock: Clock = now,
    ) -> None:
        self.server = server
        self.down: str | None = None
        self.unread: str | None = None
        self.refused: dict[str, str] = {}
        self._workspace, self._opener, self._only, self._poll, self._clock = workspace, opener, models, poll, clock
        self._memory = Memory(workspace.home / "serving")
        self._lock = threading.Lock()
        self._seats: dict[str, Seat] = {}
        self._beside: dict[str, Beside] = {}
        self._leaving: list[Seat] = []
        self._kept: dict[str, list[Predictor]] = {}
        self._trusted: dict[str, tuple[rollout.Rollout, str, str | None]] = {}
        self._doubted: dict[str, tuple[rollout.Rollout | None, float]] = {}
        self._failed: dict[tuple[str, int], float] = {}
        self.turned_away: dict[str, str] = {}
        """Challengers that could not be loaded; what is live goes on without them."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._looking = threading.Lock()
        self._on_beat: Callable[[], None] = lambda: None

    def start(self, on_beat: Callable[[], None] = lambda: None) -> None:
        """Load what is live, from memory when the ledger is down, and watch from now on."""
        self._on_beat = on_beat
        self.look()
        if self.down is not None:
            self._recall()
        self._thread = threading.Thread(target=self._watch, name="outlast-house", daemon=True)
        self._thread.start()

    def take(self, model: str) -> Seat:
        """The live version of a model, for one request: use it in a `with`."""
        with self._lock:
            seat = self._seats.get(model)
            if seat is not None:
                seat.flying += 1
                return seat
        raise self._nothing(model)

    def take_beside(self, model: str) -> Beside | None:
        """The challenger of a model, for one request: use its seat in a `with`; None where there is none."""
        if not self._beside:
            return None
        with self._lock:
            found = self._beside.get(model)
            if found is not None:
                found.seat.flying += 1
            return found

    def challengers(self) -> dict[str, Beside]:
        """What stands beside what is served, by model."""
        with self._lock:
            return dict(sorted(self._beside.items()))

    def under_way(self) -> int:
        """How many requests are being answered now."""
        with self._lock:
            beside = [one.seat for one in self._beside.values()]
            return sum(seat.flying for seat in (*self._seats.values(), *beside, *self._leaving))

    def predictors(self) -> dict[str, Predictor]:
        """What is served, by model."""
        with self._lock:
            return {model: seat.predictor for model, seat in sorted(self._seats.items())}

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
        with self._lock:
            return {model: one for model, one in found.items() if model in self._seats}

    @property
    def watching(self) -> bool:
        """Whether changes of the ledger are still being taken."""
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> None:
        """Take what has changed in the ledger; without it, go on with what is there."""
        with self._looking:
            try:
                wanted, beside = self._wanted()
                self._take_changes(wanted)
                self._take_challengers(beside)
                self._settle()
            except OutlastError as error:
                if self.down is None:
                    _log.warning("The ledger cannot be read, serving goes on with what is loaded: %s", error)
                self.down = str(error)
            else:
                if self.down is not None:
                    _log.warning("The ledger can be read again")
                self.down = None
            self._look_at_fresh()

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

    def close(self) -> None:
        """Stop watching and note in the ledger that nothing is served here any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._leaving.extend([*self._seats.values(), *(one.seat for one in self._beside.values())])
            self._seats.clear()
            self._beside.clear()
        try:
            self._release(self._leaving)
        except StorageError as error:
            _log.warning("Could not note in the ledger that serving ended: %s", error)

    def _watch(self) -> None:
        while not self._stop.wait(self._poll):
            try:
                self.look()
                self._on_beat()
            except Exception:  # noqa: BLE001 - the outermost edge of this thread, which must not end
                _log.exception("Looking for changes failed and is tried again")

    def _wanted(self) -> tuple[dict[str, Known], dict[str, tuple[Known, rollout.Rollout]]]:
        """What is live and may be, and who stands beside it: what the trail does not bear out is refused, and leaves
        what is served."""
        found, beside = {}, {}
        live = {one.model: one for one in rollout.live(self._workspace.ledger)}
        for model, one in live.items():
            if self._only is not None and model not in self._only:
                continue
            trusted = self._trust(one)
            if trusted is None:
                continue
            digest, other = trusted
            if one.live is not None:
                found[model] = Known(model, one.live, digest, one.advice)
            if one.challenger is not None and other is not None:
                beside[model] = (Known(model, one.challenger, other), one)
        for model in self._seats.keys() - live.keys():
            self._require_ended(model)
        return found, beside

    def _trust(self, one: rollout.Rollout) -> tuple[str, str | None] | None:
        """The digests that may be loaded, of what is live and of its challenger; None where nobody let them out."""
        kept, doubted = self._trusted.get(one.model), self._doubted.get(one.model)
        if kept is not None and kept[0] == one:
            return kept[1:]
        if doubted is not None and doubted[0] == one and time.monotonic() - doubted[1] < _AGAIN:
            return None
        try:
            digest, beside = trust.admitted(self._workspace.ledger, one)
        except (Refused, NotFound) as error:
            self._doubt(one.model, one, error)
            return None
        assert digest is not None, "what is live has bytes"
        self._trusted[one.model] = one, digest, beside
        self._doubted.pop(one.model, None)
        return digest, beside

    def _require_ended(self, model: str) -> None:
        """Whether nothing is live of a model because somebody retired it, and not because a row is gone."""
        doubted = self._doubted.get(model)
        if doubted is not None and doubted[0] is None and time.monotonic() - doubted[1] < _AGAIN:
            return
        try:
            trust.standing(self._workspace.ledger, model)
        except (Refused, NotFound) as error:
            self._doubt(model, None, error)
        else:
            self._doubted.pop(model, None)

    def _doubt(self, model: str, one: rollout.Rollout | None, error: OutlastError) -> None:
        if model not in self._doubted or self._doubted[model][0] != one:
            _log.error("What the ledger says is live of %s is refused: %s", model, error)
        self._doubted[model] = one, time.monotonic()
        seat = self._seats.get(model)
        instead = f"version {seat.predictor.version} stays" if seat else "nothing of it is served"
        self.refused[model] = f"What is live of {model} is refused, {instead}: {error}"

    def _take_changes(self, wanted: dict[str, Known]) -> None:
        for model, known in wanted.items():
            seat = self._seats.get(model)
            if seat is None or seat.predictor.version != known.version:
                self._bring(known)
            else:
                self._mark(seat, known)
                self._failed.pop((model, known.version), None)
                self.refused.pop(model, None)
        for model in [model for model in self._seats if model not in wanted and model not in self._doubted]:
            with self._lock:
                self._leaving.append(self._seats.pop(model))
            self._memory.forget(model)
            _log.info("No longer serving %s: nothing of it is live", model)
        for model in [model for model in self.refused if model not in wanted and model not in self._doubted]:
            self.refused.pop(model)

    def _take_challengers(self, wanted: dict[str, tuple[Known, rollout.Rollout]]) -> None:
        for model, (known, one) in wanted.items():
            now = self._beside.get(model)
            stage, share = one.stage or "shadow", one.share
            if now is not None and (now.seat.predictor.version, now.stage) == (known.version, stage):
                if now.share != share:
                    self._stand(model, Beside(now.seat, stage, share))
            elif model in self._seats:
                self._bring_beside(known, stage, share)
        for model in [model for model in self._beside if model not in wanted or model not in self._seats]:
            self._stand(model, None)
        for model in [model for model in self.turned_away if model not in wanted]:
            self.turned_away.pop(model)

    def _bring_beside(self, known: Known, stage: str, share: float | None) -> None:
        predictor = self._loaded(known, self._turn_away)
        if predictor is None:
            self._stand(known.model, None)
            return
        ledger, at = self._workspace.ledger, self._clock()
        span = served.taking(ledger, known.model, known.version, known.digest, self.server, at, role=stage)
        seat = Seat(predictor, at, span, self._lock)
        seat.role = stage
        self._stand(known.model, Beside(seat, stage, share))
        self.turned_away.pop(known.model, None)
        _log.info("%s@%d stands beside what is live, as %s", known.model, known.version, stage)

    def _stand(self, model: str, beside: Beside | None) -> None:
        """Swap who stands beside what is live; whoever did is let go after its last request."""
        with self._lock:
            old = self._beside.pop(model, None)
            if beside is not None:
                self._beside[model] = beside
            if old is not None and (beside is None or old.seat is not beside.seat):
                self._leaving.append(old.seat)
                self._first_to_go(model, old.seat.predictor)

    def _first_to_go(self, model: str, one: Predictor) -> None:
        """What stood beside is let go before what was live: a rollback never brings it back."""
        kept, live = self._kept[model], self._seats.get(model)
        if one in kept and (live is None or live.predictor is not one):
            kept.remove(one)
            kept.insert(0, one)

    def _turn_away(self, known: Known, error: Exception) -> None:
        said = str(error) if isinstance(error, OutlastError) else f"{type(error).__name__}: {error}"
        sentence = f"{known.model}@{known.version} could not be loaded, what is live goes on without it: {said}"
        if self.turned_away.get(known.model) != sentence:
            _log.error(sentence, exc_info=error)
        self.turned_away[known.model] = sentence

    def _mark(self, seat: Seat, known: Known) -> None:
        """Answers are advice from now on, or no longer."""
        if seat.advice != known.advice:
            seat.advice = known.advice
            self._memory.remember(known)

    def _bring(self, known: Known) -> None:
        predictor = self._loaded(known, self._refuse)
        if predictor is None:
            return
        ledger, at = self._workspace.ledger, self._clock()
        span = served.taking(ledger, known.model, known.version, known.digest, self.server, at)
        self._swap(known, Seat(predictor, at, span, self._lock))
        self._memory.remember(known)
        self.refused.pop(known.model, None)
        _log.info("Serving %s@%d", known.model, known.version)

    def _swap(self, known: Known, seat: Seat) -> None:
        seat.advice = known.advice
        with self._lock:
            old = self._seats.get(known.model)
            self._seats[known.model] = seat
            if old is not None:
                self._leaving.append(old)

    def _loaded(self, known: Known, failed: Callable[[Known, Exception], None]) -> Predictor | None:
        """The version, loaded and warmed; None when it cannot be, which is reported and leaves what is served."""
        kept = self._kept.setdefault(known.model, [])
        for predictor in kept:
            if (predictor.version, predictor.digest) == (known.version, known.digest):
                kept.remove(predictor)
                kept.append(predictor)
                return predictor
        tried = self._failed.get((known.model, known.version))
        if tried is not None and time.monotonic() - tried < _AGAIN:
            return None
        try:
            predictor = self._opener(self._workspace, known.digest, known.version)
            for _ in range(2):
                (answer,) = predictor.predict([predictor.example()], at=self._clock())
        except Exception as error:  # noqa: BLE001 - the user's code runs here, and may raise anything
            failed(known, error)
            self._failed[known.model, known.version] = time.monotonic()
            return None
        if answer.rung != "full":
            said = "; ".join(answer.reasons)
            _log.warning("%s@%d answers its own example by its %s: %s", known.model, known.version, answer.rung, said)
        kept.append(predictor)
        return predictor

    def _refuse(self, known: Known, error: Exception) -> None:
        said = str(error) if isinstance(error, OutlastError) else f"{type(error).__name__}: {error}"
        seat = self._seats.get(known.model)
        instead = f"version {seat.predictor.version} stays" if seat else "nothing of it is served"
        self.refused[known.model] = f"{known.model}@{known.version} could not be loaded, {instead}: {said}"
        if (known.model, known.version) not in self._failed:
            _log.error(self.refused[known.model], exc_info=error)

    def _recall(self) -> None:
        for known in self._memory.recall():
            if known.model in self._seats or (self._only is not None and known.model not in self._only):
                continue
            predictor = self._loaded(known, self._refuse)
            if predictor is not None:
                self._swap(known, Seat(predictor, self._clock(), None, self._lock))
                _log.warning("Serving %s@%d from memory: the ledger is down", known.model, known.version)
        if not self._seats:
            raise StorageError(f"{self.down}; and nothing was served here before, so there is nothing to start from")

    def _settle(self) -> None:
        """Note what could not be noted while the ledger was down, and let go of what no request uses any more."""
        for seat in (*self._seats.values(), *(one.seat for one in self._beside.values())):
            self._noted(seat)
        self._release([seat for seat in self._leaving if seat.flying == 0])
        for model, kept in self._kept.items():
            live = self._seats.get(model)
            most = _KEPT + (model in self._beside)
            for old in [one for one in kept[:-most] if not self._used(one, live)]:
                kept.remove(old)
                old.close()

    def _used(self, predictor: Predictor, live: Seat | None) -> bool:
        beside = [one.seat for one in self._beside.values()]
        return any(seat is not None and seat.predictor is predictor for seat in (live, *beside, *self._leaving))

    def _release(self, seats: list[Seat]) -> None:
        for seat in list(seats):
            self._noted(seat)
            assert seat.span is not None
            served.released(self._workspace.ledger, seat.span, self._clock())
            self._leaving.remove(seat)

    def _noted(self, seat: Seat) -> None:
        if seat.span is None:
            one = seat.predictor
            ledger = self._workspace.ledger
            seat.span = served.taking(
                ledger, one.model, one.version, one.digest, self.server, seat.since, role=seat.role
            )

    def _nothing(self, model: str) -> OutlastError:
        with self._lock:
            names = list(self._seats)
        why = f" ({self.refused[model]})" if model in self.refused else ""
        return NotFound(f"No model '{model}' is served here{why}: {nearest(model, names)}")
