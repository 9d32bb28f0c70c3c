"""Where a server's process stands among the others that answer at the same address; most often there is only one."""

import json
import mmap
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import NamedTuple

VARIABLE = "OUTLAST_WORKER"
"""What a supervisor tells a worker it starts; taken out of the environment at once."""
_HEAD, _EACH = 1, 4
_READY, _UNDER_WAY, _WAITING, _TURNED = range(_EACH)


class Load(NamedTuple):
    """Requests under way, and rows that wait to be computed."""

    under_way: int = 0
    waiting: int = 0


class Board:
    """A few numbers that the processes of a server share: whether it was told to stop, and how each of them is."""

    def __init__(self, memory: mmap.mmap | bytearray, of: int) -> None:
        self.of = of
        self._cells = memoryview(memory).cast("q")

    @staticmethod
    def size(of: int) -> int:
        """Bytes for so many processes."""
        return 8 * (_HEAD + _EACH * of)

    @property
    def leaving(self) -> bool:
        """Whether the server was told to stop."""
        return self._cells[0] != 0

    def leave(self) -> None:
        """Note that it was."""
        self._cells[0] = 1

    def note(self, slot: int, load: Load, *, ready: bool) -> None:
        """How a process is now."""
        begin = _HEAD + _EACH * slot
        self._cells[begin + _UNDER_WAY], self._cells[begin + _WAITING] = load
        self._cells[begin + _READY] = ready

    def clear(self, slot: int) -> None:
        """Note that the process in this place is gone."""
        self.note(slot, Load(), ready=False)
        self._cells[_HEAD + _EACH * slot + _TURNED] = 0

    def turn(self, slot: int) -> None:
        """Note that the loop that answers in this place turns."""
        self._cells[_HEAD + _EACH * slot + _TURNED] = time.monotonic_ns()

    def turned(self, slot: int) -> float:
        """When it last did, by a clock that all processes of a machine share."""
        return self._cells[_HEAD + _EACH * slot + _TURNED] / 1e9

    def ready(self) -> list[bool]:
        """Which of them are ready."""
        return [self._cells[_HEAD + _EACH * slot + _READY] != 0 for slot in range(self.of)]

    def load(self, slot: int) -> Load:
        """What the process in this place has to do."""
        begin = _HEAD + _EACH * slot
        return Load(self._cells[begin + _UNDER_WAY], self._cells[begin + _WAITING])


class Station:
    """One process's place. Without a supervisor it is the only one, and says all of this of itself."""

    def __init__(self, board: Board | None = None, slot: int = 0, *, channel: socket.socket | None = None) -> None:
        self.slot = slot
        self.counts: Path | None = None
        """The folder in which all of them count, where there are several."""
        self.port = 0
        self.grpc_port: int | None = None
        self._board = board or Board(bytearray(Board.size(1)), 1)
        self._channel = channel
        self._leaving = False
        self._open = False

    @property
    def shared(self) -> bool:
        """Whether others answer at the same address."""
        return self._channel is not None

    @property
    def of(self) -> int:
        """How many processes there are to be."""
        return self._board.of

    @property
    def leaving(self) -> bool:
        """Whether this process, or the whole server, was told to stop."""
        return self._leaving or self._board.leaving

    def leave(self) -> None:
        """Note that this process was told to stop."""
        self._leaving = True
        self.note(self._board.load(self.slot), ready=False)

    def open(self) -> None:
        """Note that requests are taken from now on."""
        self._open = True

    def say(self, said: str) -> None:
        """Tell the supervisor that this worker is ready, and what to say of it once all are."""
        if self._channel is not None:
            self._channel.sendall(said.encode() + b"\n")

    def note(self, load: Load, *, ready: bool) -> None:
        """How this process is now, for the others to see."""
        self._board.note(self.slot, load, ready=ready and self._open and not self._leaving)

    def turn(self) -> None:
        """Tell the supervisor that this process still takes one request after the other."""
        self._board.turn(self.slot)

    @property
    def others_ready(self) -> int:
        """How many of the others are ready."""
        return sum(ready for slot, ready in enumerate(self._board.ready()) if slot != self.slot)

    def with_others(self, mine: Load) -> Load:
        """What all have to do: this process now, the others as of their last beat."""
        theirs = [self._board.load(slot) for slot in range(self.of) if slot != self.slot]
        return Load(*(sum(parts) for parts in zip(mine, *theirs, strict=True)))

    def watch(self, left_alone: Callable[[], None]) -> None:
        """Call that from a thread once the supervisor is gone."""
        channel = self._channel
        if channel is None:
            return

        def wait() -> None:
            try:
                while channel.recv(64):
                    pass
            except ConnectionError:
                pass  # killed with something unread: gone all the same
            if self.counts is not None:
                shutil.rmtree(self.counts, ignore_errors=True)
            left_alone()

        threading.Thread(target=wait, name="outlast-supervised", daemon=True).start()


def described(slot: int, of: int, *, board: int, channel: int, counts: str, ports: tuple[int, int | None]) -> str:
    """What a worker has to know, as text for its environment."""
    known = {"slot": slot, "of": of, "board": board, "channel": channel, "counts": counts}
    return json.dumps({**known, "port": ports[0], "grpc_port": ports[1]})


def station(environ: MutableMapping[str, str] = os.environ) -> Station | None:
    """This process's place, where a supervisor started it; what it starts itself does not learn of that."""
    said = environ.pop(VARIABLE, None)
    if said is None:
        return None
    known = json.loads(said)
    for fd in (known["board"], known["channel"]):
        os.set_inheritable(fd, False)
    board = Board(mmap.mmap(known["board"], Board.size(known["of"])), known["of"])
    found = Station(board, known["slot"], channel=socket.socket(fileno=known["channel"]))
    found.counts = Path(known["counts"])
    found.port, found.grpc_port = known["port"], known["grpc_port"]
    return found
