"""What the ledger's `history` says of this server: a version is noted before it answers, and after its last answer."""

import logging

from outlast.errors import StorageError
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.serving.beside import Seat
from outlast.serving.memory import Known
from outlast.serving.seats import Seats
from outlast.types import Clock

_log = logging.getLogger("outlast.serving")


class Spans:
    """Notes of one server. What could not be noted while the ledger was down is noted later."""

    def __init__(self, workspace: Workspace, server: str, clock: Clock) -> None:
        self._workspace, self._server, self._clock = workspace, server, clock

    def taking(self, known: Known, role: str | None = None) -> int:
        """Note that a version is about to answer."""
        ledger, at = self._workspace.ledger, self._clock()
        return served.taking(ledger, known.model, known.version, known.digest, self._server, at, role=role)

    def trouble(self, known: Known, says: str) -> None:
        """Note that a version which is to answer could not be loaded here."""
        one, at = (known.model, known.version, known.digest), self._clock()
        try:
            served.trouble(self._workspace.ledger, *one, server=self._server, at=at, says=says)
        except StorageError as error:
            _log.warning("Could not note in the ledger what was refused: %s", error)

    def note(self, seat: Seat) -> None:
        """Note what answers already, where that is not noted yet."""
        if seat.span is None:
            one, ledger = seat.predictor, self._workspace.ledger
            seat.span = served.taking(
                ledger, one.model, one.version, one.digest, self._server, seat.since, role=seat.role
            )

    def settle(self, seats: Seats, *, ending: bool = False) -> None:
        """Note what is not noted yet, and that those who leave have answered their last request."""
        for seat in seats.taken():
            self.note(seat)
        for seat in [seat for seat in seats.leaving if seat.flying == 0 or ending]:
            self.note(seat)
            assert seat.span is not None
            served.released(self._workspace.ledger, seat.span, self._clock())
            seats.leaving.remove(seat)
