"""What is being handled now: known to whatever logs, counts or traces, without being handed on from call to call."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

from outlast.bundle.drawn import drawn

if TYPE_CHECKING:
    from outlast.bundle.predictor import Predictor

Span = tuple[str, float, float]
"""A step, when it began and when it ended, by `perf_counter`."""


class Handled:
    """A request under way."""

    __slots__ = ("_id", "named", "predictor", "role", "rungs", "spans", "trace_id")

    def __init__(self, named: Callable[[], str | None] = lambda: None) -> None:
        self.named = named
        """The caller's own name for the request, where there is one that can be used."""
        self._id: str | None = None
        self.predictor: Predictor | None = None
        """The version that answers."""
        self.role = "live"
        """What that version is to the model: live, or the stage of a challenger."""
        self.spans: list[Span] | None = None
        """The steps so far, where they are traced."""
        self.trace_id: str | None = None
        self.rungs: list[str] = []

    @property
    def request_id(self) -> str:
        """The caller's name for it, else one of ours; the same whenever it is asked for."""
        if self._id is None:
            self._id = self.named() or drawn()
        return self._id

    @request_id.setter
    def request_id(self, name: str) -> None:
        self._id = name

    @property
    def known_id(self) -> str | None:
        """Its name, if anybody has asked for it."""
        return self._id


def usable(name: str) -> bool:
    """Whether a caller's name for a request can be kept and logged."""
    return 0 < len(name) <= 128 and name.isascii() and name.isprintable()


_NOTHING: tuple[Handled, ...] = ()
_handled: ContextVar[tuple[Handled, ...]] = ContextVar("outlast.handled", default=_NOTHING)


def handle(*requests: Handled) -> None:
    """From now on, in this task or thread, what is done is done for these requests."""
    _handled.set(requests)


def handled() -> Sequence[Handled]:
    """The requests for which something is done now: one, those of a batch, or none."""
    return _handled.get()


def current() -> Handled:
    """The one request that is handled now; outside of any, one that nobody sees."""
    found = _handled.get()
    return found[0] if len(found) == 1 else Handled()
