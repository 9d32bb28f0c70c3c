"""The end of a command that is interrupted or told to end: leases are given back, parts of files go."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from outlast.unwinding import Unwind


@contextmanager
def in_order() -> Iterator[None]:
    """Let SIGTERM unwind the command as SIGINT does."""
    end, numbers = Unwind(_end), [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # who starts it may have it ignored
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        end.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
