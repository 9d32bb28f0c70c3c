"""A server in a process of its own, so that what it takes is its own: `python -m outlast.gates.alone FOLDER`.

It says its address on a line once it answers, and its greatest memory in bytes on another when it ends. Its
input is the gate's to hold: the system closes it with the gate, however that ended, and the server ends then too.
"""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, Timer

from outlast.errors import StorageError
from outlast.gates.skew import unhurried
from outlast.project.workspace import Workspace
from outlast.serving.logs import last_line
from outlast.serving.server import serve
from outlast.serving.workers.threads import serving

_PATIENCE = 60.0
_PEAK = re.compile(r"VmHWM:\s*(\d+) kB")


@dataclass
class Alone:
    """The server: where it answers, and after its end the memory it took at most."""

    address: str
    process: int
    memory: int | None = None
    ran: float | None = None
    """Seconds of processor that it took since it was last told to count, as far as the system says."""
    waited: float | None = None
    """Seconds in which its threads wanted a processor and had none."""
    _before: tuple[int, int] | None = None

    def count(self) -> None:
        """Count from now on."""
        self._before = _ran(self.process)

    def counted(self) -> None:
        """Note what it took since then."""
        after = _ran(self.process)
        if self._before is not None and after is not None:
            self.ran, self.waited = (max(0, b - a) / 1e9 for a, b in zip(self._before, after, strict=True))


@contextmanager
def alone(workspace: Workspace) -> Iterator[Alone]:
    """A server of a workspace in a process of its own, which is ended with the block."""
    log = workspace.home / "alone.log"
    command = [sys.executable, "-m", "outlast.gates.alone", str(workspace.root)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, env=serving(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        watchdog = Timer(_PATIENCE, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            watchdog.cancel()
            if not address:
                raise StorageError(f"a server of the gate ended before it answered: {last_line(log)}")
            found = Alone(address, process.pid)
            found.count()
            yield found
            found.counted()
            found.memory = _number(process.communicate(timeout=_PATIENCE)[0])  # lets go of its input, so it ends
        finally:
            watchdog.cancel()
            process.kill()


def peak() -> int:
    """The greatest memory of this process, in bytes.

    Linux counts in `ru_maxrss` what the parent had when it started this process, so the system's own page is read.
    """
    status = Path("/proc/self/status")
    found = _PEAK.search(status.read_text()) if status.exists() else None
    if found is not None:
        return int(found[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main(root: Path) -> None:
    """Serve until told to stop, in the shape that `alone` reads."""
    Thread(target=_held, daemon=True).start()
    serve(Workspace(root), port=0, ready=lambda address: print(address, flush=True), opener=unhurried)
    print(peak(), flush=True)


def _held() -> None:
    """End with whoever holds the input."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _ran(process: int) -> tuple[int, int] | None:
    """Nanoseconds that the threads of a process ran and waited to run; None where the system does not tell."""
    try:
        said = [file.read_text().split() for file in Path(f"/proc/{process}/task").glob("*/schedstat")]
    except OSError:
        return None
    return (sum(int(one[0]) for one in said), sum(int(one[1]) for one in said)) if said else None


def _number(said: str) -> int | None:
    return int(said) if said.strip().isdigit() else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
