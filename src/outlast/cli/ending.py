"""The end of a command that is interrupted or told to end: leases are given back, parts of files go."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DEAF = "polars"
"""Its native code calls Python back and takes no exception from there: it panics, and says so over a screen or two."""
AGAIN = 0.02
"""Seconds until an end that came at such a moment is tried again."""


@contextmanager
def in_order() -> Iterator[None]:
    """Let SIGTERM unwind the command as SIGINT does, and both only where an exception can be taken."""
    told: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        told.append(number)
        again(number, frame)

    def again(_: int, frame: FrameType | None) -> None:
        if _within(DEAF, frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        elif told[-1] == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + told[-1])

    handlers = {signal.SIGTERM: end, signal.SIGALRM: again}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # who starts it may have it ignored
        handlers[signal.SIGINT] = end
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _within(package: str, frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
            return True
        frame = frame.f_back
    return False
