"""The process above several workers: it starts them, puts another in the place of one that died, and ends them.

It answers nothing and imports nothing heavy. Each worker has a number of its own for life; who takes the place of a
dead one takes its number too, and goes on counting where that stopped.
"""

import logging
import mmap
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile

from outlast.serving.workers.folder import folder
from outlast.serving.workers.ports import reserved
from outlast.serving.workers.station import VARIABLE, Board, described

_LOOK = 0.1
_AT_ONCE = 1.0
"""Seconds after it was ready within which a worker that ends did so at once."""
_MOST = 30.0
"""Seconds that the place of a worker stays empty at most, however often it ended at once."""
_NOW = 2.0
"""Seconds that workers have to end after a second signal, and to say where they hang."""
_log = logging.getLogger("outlast.serving")


@dataclass(frozen=True)
class Address:
    """Where workers answer."""

    host: str
    port: int
    grpc_port: int | None = None


@dataclass(eq=False)
class _Place:
    """A worker's place: the process that has it, and how it went so far."""

    slot: int
    due: float
    """When another is to be started; never, while one runs."""
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    said: bytes = b""
    ready: float | None = None
    hangs: float | None = None
    """When it was first told to end, for it takes no requests."""
    at_once: int = 0
    """How many in a row ended at once."""


@dataclass(eq=False)
class Supervisor:
    """Workers at one address, each by the same command, and the word that goes out once all are ready."""

    command: Sequence[str]
    of: int
    say: Callable[[str], None]
    patience: float = 60.0
    """Seconds that workers have to end after they were told to."""
    hangs: float = 30.0
    """Seconds without a turn of its loop after which a worker is ended: until then it may be a long calculation."""
    _places: list[_Place] = field(default_factory=list, init=False)
    _told: list[int] = field(default_factory=list, init=False)
    _until: float = field(default=float("inf"), init=False)
    _announced: bool = field(default=False, init=False)

    def run(self, address: Address) -> int:
        """Keep them running until told to stop; gives what to exit with, a first worker's where it failed."""
        with ExitStack() as held:
            grpc = None if address.grpc_port is None else held.enter_context(reserved(address.host, address.grpc_port))
            self._ports = held.enter_context(reserved(address.host, address.port)), grpc
            self._counts = held.enter_context(folder())
            self._file = held.enter_context(TemporaryFile())
            self._file.truncate(Board.size(self.of))
            self._board = Board(mmap.mmap(self._file.fileno(), Board.size(self.of)), self.of)
            self._places = [_Place(slot, due=0.0 if slot == 0 else float("inf")) for slot in range(self.of)]
            held.callback(self._end)
            held.enter_context(self._signals())
            return self._watch()

    def _watch(self) -> int:
        while True:
            for place in self._places:
                if time.monotonic() >= place.due and not self._told:
                    self._start(place)
            self._hear()
            for place in self._places:
                failed = self._look_at(place)
                if failed is not None:
                    return failed
            if self._told and not self._alive():
                return 0 if len(self._told) == 1 else 128 + self._told[-1]
            if time.monotonic() >= self._until:
                self._end()

    def _alive(self) -> list[subprocess.Popen[bytes]]:
        return [place.process for place in self._places if place.process is not None]

    def _start(self, place: _Place) -> None:
        ours, theirs = socket.socketpair()
        board = self._file.fileno()
        known = described(
            place.slot, self.of, board=board, channel=theirs.fileno(), counts=self._counts, ports=self._ports
        )
        with theirs:
            place.process = subprocess.Popen(
                self.command,
                env={**os.environ, VARIABLE: known},
                stdin=subprocess.DEVNULL,
                pass_fds=(board, theirs.fileno()),
                start_new_session=True,  # a terminal tells us to stop, and we tell them
            )
        place.channel, place.said, place.ready, place.due = ours, b"", None, float("inf")
        place.hangs = None

    def _hear(self) -> None:
        """Wait a moment for a worker to say that it is ready, or to end."""
        heard = {place.channel: place for place in self._places if place.channel is not None}
        for channel in select.select(list(heard), [], [], _LOOK)[0]:
            place = heard[channel]
            try:
                got = channel.recv(4096)
            except ConnectionError:
                got = b""
            place.said += got
            if not got:
                channel.close()
                place.channel = None
            elif b"\n" in place.said and place.ready is None:
                place.ready = time.monotonic()
                self._is_ready()

    def _is_ready(self) -> None:
        """The first one is: start the others. All are: say so, once."""
        for place in self._places:
            if place.process is None and place.due == float("inf"):
                place.due = 0.0
        if not self._announced and all(place.ready is not None for place in self._places):
            self._announced = True
            self.say(self._places[0].said.decode().strip())

    def _look_at(self, place: _Place) -> int | None:
        """Take note of a worker that ended; gives its exit code where no worker was ever ready."""
        process = place.process
        if process is None:
            return None
        if process.poll() is None:
            self._end_if_it_hangs(place, process)
            return None
        self._board.clear(place.slot)
        if place.channel is not None:
            place.channel.close()
        place.process = place.channel = None
        if self._told:
            return None
        if all(one.ready is None for one in self._places):
            _log.error("A first worker %s before it was ready: no other is started", _how(process.returncode))
            return process.returncode if process.returncode > 0 else 1
        self._put_another(place, process)
        return None

    def _end_if_it_hangs(self, place: _Place, process: "subprocess.Popen[bytes]") -> None:
        """A worker whose loop stands still answers nobody: it says where it is, and another takes its place."""
        if self._told or place.ready is None:
            return
        now = time.monotonic()
        if place.hangs is not None:
            if now >= place.hangs + _NOW:
                process.kill()  # it could not even say
        elif now >= max(place.ready, self._board.turned(place.slot)) + self.hangs:
            place.hangs = now
            said = "Worker %d of %d (process %d) took no request for %g s: it is ended, and says where it was"
            _log.error(said, place.slot + 1, self.of, process.pid, self.hangs)
            process.send_signal(signal.SIGABRT)

    def _put_another(self, place: _Place, ended: "subprocess.Popen[bytes]") -> None:
        now = time.monotonic()
        lived = 0.0 if place.ready is None else now - place.ready
        place.at_once = place.at_once + 1 if lived < _AT_ONCE else 0
        wait = 0.0 if place.at_once < 2 else min(_MOST, 0.5 * 2.0 ** min(place.at_once - 2, 10))
        place.due, place.ready = now + wait, None
        after = f"{lived:.1f} s after it was ready" if lived else "before it was ready"
        again = f", {place.at_once} times in a row at once" if place.at_once > 1 else ""
        when = f"in {wait:g} s" if wait else "now"
        _log.error(
            "Worker %d of %d (process %d) %s %s%s: another takes its place %s",
            *(place.slot + 1, self.of, ended.pid, _how(ended.returncode), after, again, when),
        )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def told(number: int, _: object) -> None:
            self._told.append(number)
            self._board.leave()
            self._until = time.monotonic() + (self.patience if len(self._told) == 1 else _NOW)
            for process in self._alive():
                if process.returncode is None:
                    process.send_signal(number)

        before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self) -> None:
        """End those that still run, whatever they do."""
        self._until = float("inf")
        for process in self._alive():
            process.kill()
            process.wait()


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
