"""Signals that end what runs by an exception: raised where it can be taken, and else a moment later."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

DEAF = frozenset({"polars", "importlib"})
"""Whose native code takes no exception from a callback: Polars panics, with a screen of stack, and the start of an
extension module makes an ImportError of it."""
AGAIN = 0.02
"""Seconds until it is tried again."""


class Unwind:
    """A handler of signals that does what raises; not while somebody deaf has called Python back."""

    def __init__(self, act: Callable[[int], object]) -> None:
        self._act = act
        self._number: int = signal.SIGTERM
        self._alarm: Any = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._number = number
        self._try(number, frame)

    def _try(self, _: int, frame: FrameType | None) -> None:
        if not _within(frame):
            self._act(self._number)
            return
        before = signal.signal(signal.SIGALRM, self._try)
        self._alarm = before if self._alarm is None else self._alarm
        signal.setitimer(signal.ITIMER_REAL, AGAIN)

    def close(self) -> None:
        """Try no more, and leave the alarm as it was."""
        if self._alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm)
            self._alarm = None


def _within(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in DEAF:
            return True
        frame = frame.f_back
    return False
