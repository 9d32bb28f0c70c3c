"""Who sits where: what is live of each model, what stands beside it, and what is leaving once its requests are done."""

import threading

from outlast.bundle.predictor import Predictor
from outlast.serving.beside import Beside, Seat


class Seats:
    """The seats of a process. A swap is one reference, changed under the lock that counts requests."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.live: dict[str, Seat] = {}
        self.beside: dict[str, Beside] = {}
        self.leaving: list[Seat] = []

    def take(self, model: str) -> Seat | None:
        """The live version's seat, with one more request under way in it."""
        with self.lock:
            seat = self.live.get(model)
            if seat is not None:
                seat.flying += 1
            return seat

    def take_beside(self, model: str) -> Beside | None:
        """The challenger, with one more request under way in its seat."""
        if not self.beside:
            return None
        with self.lock:
            found = self.beside.get(model)
            if found is not None:
                found.seat.flying += 1
            return found

    def swap(self, model: str, seat: Seat) -> None:
        """Answer from another seat from now on; who sat there leaves after its last request."""
        with self.lock:
            old = self.live.get(model)
            self.live[model] = seat
            if old is not None:
                self.leaving.append(old)

    def empty(self, model: str) -> None:
        """Answer no more for a model."""
        with self.lock:
            self.leaving.append(self.live.pop(model))

    def stand(self, model: str, beside: Beside | None) -> Predictor | None:
        """Swap who stands beside what is live; gives who stood there and leaves."""
        with self.lock:
            old = self.beside.pop(model, None)
            if beside is not None:
                self.beside[model] = beside
            if old is None or (beside is not None and old.seat is beside.seat):
                return None
            self.leaving.append(old.seat)
            return old.seat.predictor

    def clear(self) -> None:
        """Everybody leaves."""
        with self.lock:
            self.leaving.extend([*self.live.values(), *(one.seat for one in self.beside.values())])
            self.live.clear()
            self.beside.clear()

    def taken(self) -> list[Seat]:
        """Every seat from which requests are answered now."""
        with self.lock:
            return [*self.live.values(), *(one.seat for one in self.beside.values())]

    def under_way(self) -> int:
        """How many requests are being answered now."""
        return sum(seat.flying for seat in (*self.taken(), *self.leaving))

    def uses(self, predictor: Predictor) -> bool:
        """Whether anybody sits there with this version, or has not left yet."""
        return any(seat.predictor is predictor for seat in (*self.taken(), *self.leaving))

    def predictors(self) -> dict[str, Predictor]:
        """What is live, by model."""
        with self.lock:
            return {model: seat.predictor for model, seat in sorted(self.live.items())}

    def challengers(self) -> dict[str, Beside]:
        """What stands beside what is live, by model."""
        with self.lock:
            return dict(sorted(self.beside.items()))
