"""Bringing challengers: versions that are to stand beside what is live."""

import logging

from outlast.serving.admitting import Challenger
from outlast.serving.beside import Beside, Seat
from outlast.serving.loading import Loader, sentence
from outlast.serving.memory import Known
from outlast.serving.seats import Seats
from outlast.serving.spans import Spans
from outlast.types import Clock

_log = logging.getLogger("outlast.serving")


class Challengers:
    """Keeps who stands beside what is live as the ledger wants it; those that cannot be loaded are left out."""

    def __init__(self, seats: Seats, loader: Loader, spans: Spans, clock: Clock) -> None:
        self._seats, self._loader, self._spans, self._clock = seats, loader, spans, clock
        self.turned_away: dict[str, str] = {}
        """Those that could not be loaded; what is live goes on without them."""

    def take(self, wanted: dict[str, Challenger]) -> None:
        """Take what has changed."""
        live, beside = self._seats.live, self._seats.beside
        for model, (known, one) in wanted.items():
            now = beside.get(model)
            stage, share = one.stage or "shadow", one.share
            if now is not None and (now.seat.predictor.version, now.stage) == (known.version, stage):
                if now.share != share:
                    self._stand(model, Beside(now.seat, stage, share))
            elif model in live:
                self._bring(known, stage, share)
        for model in [model for model in beside if model not in wanted or model not in live]:
            self._stand(model, None)
        for model in [model for model in self.turned_away if model not in wanted]:
            self.turned_away.pop(model)

    def _bring(self, known: Known, stage: str, share: float | None) -> None:
        predictor = self._loader.get(known, self._turn_away)
        if predictor is None:
            self._stand(known.model, None)
            return
        seat = Seat(predictor, self._clock(), self._spans.taking(known, stage), self._seats.lock)
        seat.role = stage
        self._stand(known.model, Beside(seat, stage, share))
        self.turned_away.pop(known.model, None)
        _log.info("%s@%d stands beside what is live, as %s", known.model, known.version, stage)

    def _stand(self, model: str, beside: Beside | None) -> None:
        """Swap who stands beside what is live; whoever did is let go after its last request."""
        gone, live = self._seats.stand(model, beside), self._seats.live.get(model)
        if gone is not None:
            self._loader.first_to_go(gone, live.predictor if live else None)

    def _turn_away(self, known: Known, error: Exception, first: bool) -> None:
        said = f"{known.model}@{known.version} could not be loaded, what is live goes on without it: {sentence(error)}"
        if self.turned_away.get(known.model) != said:
            _log.error(said, exc_info=error)
        self.turned_away[known.model] = said
