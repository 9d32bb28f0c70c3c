"""Signals that end a command leave everything else of the process as it was."""

import signal
import threading

import pytest

from outlast.cli import ending
from outlast.unwinding import DEAF


def test_whoever_waits_for_an_alarm_still_gets_it() -> None:
    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with ending.in_order():
            pass
        assert rung.wait(20)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("deaf", sorted(DEAF))
@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_an_end_at_a_bad_moment_comes_after_it(number: signal.Signals, kind: type[BaseException], deaf: str) -> None:
    handlers = [signal.getsignal(one) for one in (number, signal.SIGALRM)]
    passed: list[bool] = []
    names = {"__name__": f"{deaf}.inside", "signal": signal, "number": number, "passed": passed}
    with pytest.raises(kind), ending.in_order():  # noqa: PT012 - what is tried is where the exception comes
        exec("signal.raise_signal(number); passed.append(True)", names)
        signal.pause()
    assert passed
    assert [signal.getsignal(one) for one in (number, signal.SIGALRM)] == handlers
