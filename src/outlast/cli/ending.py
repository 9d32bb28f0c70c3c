"""The end of a command that is interrupted or told to end: leases are given back, parts of files go."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

DEAF = "polars"
"""Its native code calls Python back and takes no exception from there: it panics, and says so over a screen or two."""
AGAIN = 0.02
"""Seconds until an end that came at such a moment is tried again."""


class _End:
    """What a signal does: it ends the command, a moment later where it came at a bad one."""

    def __init__(self) -> None:
        self._told: int = signal.SIGTERM
        self._alarm: Any = None

    def come(self, number: int, frame: FrameType | None) -> None:
        self._told = number
        self._try(number, frame)

    def _try(self, _: int, frame: FrameType | None) -> None:
        if _within(DEAF, frame):
            before = signal.signal(signal.SIGALRM, self._try)
            self._alarm = before if self._alarm is None else self._alarm
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        elif self._told == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + self._told)

    def gone(self) -> None:
        """Leave the alarm as it was."""
        if self._alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm)


@contextmanager
def in_order() -> Iterator[None]:
    """Let SIGTERM unwind the command as SIGINT does, and both only where an exception can be taken."""
    end, numbers = _End(), [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # who starts it may have it ignored
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, end.come) for number in numbers}
    try:
        yield
    finally:
        end.gone()
        for number, handler in before.items():
            signal.signal(number, handler)


def _within(package: str, frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
            return True
        frame = frame.f_back
    return False
