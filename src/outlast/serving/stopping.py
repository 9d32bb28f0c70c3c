"""How a server ends: not ready first, then no new connections, then requests under way, then what is open."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from outlast.serving.workers.station import Station
from outlast.unwinding import Unwind

if TYPE_CHECKING:
    from outlast.serving.grpc.server import GrpcServer

LIMIT = 25
"""Seconds from the first signal in which requests may finish; systems that end a server mostly wait for 30."""
LEAVE = 5.0
"""Seconds to go on answering where other machines reach the server."""
_AT_ONCE = 1.0
"""Seconds that closing in order may take after a second signal."""
_LAST = (b"connection", b"close")
_log = logging.getLogger("outlast.serving")


class Stopped(BaseException):
    """SIGTERM or SIGINT came before the server answered."""


class Stopping:
    """Whether and since when a server is to stop."""

    def __init__(self, station: Station, leave: float) -> None:
        self._station, self._leave = station, min(leave, LIMIT - 1.0)
        self._due: float | None = None

    @property
    def drain(self) -> int:
        """Seconds for requests under way, once no new connections are taken."""
        return max(1, int(LIMIT - self._leave))

    @property
    def leaving(self) -> bool:
        """Whether this process, or the whole server, was told to stop."""
        return self._station.leaving

    @property
    def due(self) -> bool:
        """Whether new connections are to be refused from now on."""
        return self._due is not None and time.monotonic() >= self._due

    def told(self, number: int) -> bool:
        """A signal came; whether it is the first. Who presses Ctrl-C stands before it: nobody has to look away."""
        if self._due is None:
            self._due = time.monotonic() + (self._leave if number == signal.SIGTERM else 0.0)
            self._station.leave()
            _log.info("Told to stop: requests under way finish, in %d s at most; a second signal waits for none", LIMIT)
            return True
        _after(_AT_ONCE, 128 + number)
        return False

    def turned(self) -> None:
        """The loop that answers has come round once more."""
        self._station.turn()

    def left_alone(self) -> None:
        """The supervisor is gone: a port that nobody looks after is given back."""
        _after(LIMIT + 2 * _AT_ONCE, 1)
        if self._due is None:
            _log.error("The process above this worker is gone: it stops")
            os.kill(os.getpid(), signal.SIGINT)


def _after(seconds: float, code: int) -> None:
    end = threading.Timer(seconds, os._exit, (code,))
    end.daemon = True
    end.start()


@contextmanager
def until_told(stopping: Stopping) -> Iterator[None]:
    """End the block at a signal, so that what was opened in it is closed in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    end = Unwind(_stopped)

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.told(number):
            end(number, frame)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except Stopped:
        _log.info("Stopped")
    finally:
        end.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopped(_: int) -> None:
    raise Stopped


class Announcing(uvicorn.Server):
    """Tells when it takes requests, and ends as it is told."""

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        *,
        stopping: Stopping,
        beside: "GrpcServer | None" = None,
    ) -> None:
        super().__init__(config)
        self._announce, self._stopping, self._beside = announce, stopping, beside

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._beside is not None:
            await self._beside.start()
        await super().startup(sockets=sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._stopping.told(sig):
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        ends = await super().on_tick(counter) or self._stopping.due
        self._stopping.turned()
        state = self.server_state
        if self._stopping.leaving and _LAST not in state.default_headers:
            state.default_headers = [*state.default_headers, _LAST]  # a caller that stays connected comes by again
        return ends

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._beside is None:
            await super().shutdown(sockets=sockets)
        else:
            await asyncio.gather(super().shutdown(sockets=sockets), self._beside.stop(self._stopping.drain))
