"""The other end of such a process: starting it, asking it, and knowing when it has gone."""

import io
import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from outlast.errors import Unavailable
from outlast.project.workspace import Workspace
from outlast.serving.apart import child
from outlast.serving.memory import Known
from outlast.serving.spare.process import job_of, of_other

_PLAIN = {
    ("datetime", "datetime"),
    ("datetime", "date"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("zoneinfo", "ZoneInfo"),
}
"""What an answer may hold beside plain values."""


class Gone(Unavailable):
    """The process has ended, or does not answer any more."""


class Worker:
    """One process. Whoever asks it waits for its answer: it is asked by one at a time."""

    def __init__(self, workspace: Workspace, known: Known, python: Path, *, seconds: float) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._line = Connection(ours.detach())
            self._process = subprocess.Popen(
                [str(python), *of_other(python), "-m", child.__name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.pid = self._process.pid
        try:
            self._ask(msgspec.json.encode(job_of(workspace, known)), seconds)
        except Gone:
            self.stop()
            raise

    def ask(self, rows: Sequence[Mapping[str, Any]], now: int, *, seconds: float) -> dict[str, Any]:
        """What it says to some rows; Gone where it says nothing."""
        return self._ask(pickle.dumps({"rows": list(rows), "now": now}), seconds)

    def stop(self) -> None:
        """End it."""
        self._line.close()
        with suppress(ProcessLookupError, PermissionError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _ask(self, message: bytes, seconds: float) -> dict[str, Any]:
        until = monotonic() + seconds
        try:
            self._line.send_bytes(message)
            if not self._line.poll(max(0.0, until - monotonic())):
                raise Gone(f"the process that answers for it said nothing for {seconds:g} s")
            found: dict[str, Any] = _Reader(io.BytesIO(self._line.recv_bytes())).load()
        except (EOFError, OSError) as error:
            raise Gone(f"the process that answers for it has ended{self._how()}") from error
        return found

    def _how(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        return f" with status {code}" if code >= 0 else f" by {signal.Signals(-code).name}"


class _Reader(pickle.Unpickler):
    """Plain values only: what the process says must not run anything here."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        raise Gone(f"the process that answers for it said a {module}.{name}: expected plain values")
