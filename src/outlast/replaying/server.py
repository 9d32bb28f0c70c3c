"""The server of a replay: `outlast serve` in a process of its own, which goes by the replay's clock."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outlast.errors import StorageError
from outlast.project.workspace import Workspace
from outlast.serving.workers.threads import serving

_PATIENCE = 120.0
_LEAVE = 60.0
_ANSWERING = re.compile(r"Answering at (\S+)")


@contextmanager
def started(workspace: Workspace, folder: Path, workers: int) -> Iterator[str]:
    """The address of a server, which is stopped with the block in any case."""
    log = workspace.home / "replay-server.log"
    command = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", str(workers)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=serving(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the replay, which then stops it in order
        )
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        found = _ANSWERING.search(process.stdout.readline())
        watchdog.cancel()
        if found is None:
            raise StorageError(f"The server of the replay ended before it answered: {_last(log)}")
        yield found[1]
    finally:
        watchdog.cancel()
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.communicate(timeout=_LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _last(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
