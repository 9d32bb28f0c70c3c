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
from outlast.replaying import tethered
from outlast.serving.logs import last_line
from outlast.serving.workers.threads import serving

_PATIENCE = 120.0
_ANSWERING = re.compile(r"Answering at (\S+)")


@contextmanager
def started(workspace: Workspace, folder: Path, workers: int) -> Iterator[str]:
    """The address of a server, which is stopped with the block, and with this process however it ends."""
    log = workspace.home / "replay-server.log"
    serve = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", str(workers)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", tethered.__name__, *serve],
            cwd=folder,
            env=serving(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the replay, which then stops it in order
        )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(_PATIENCE, process.stdin.close)
    watchdog.start()
    try:
        found = _ANSWERING.search(process.stdout.readline())
        watchdog.cancel()
        if found is None:
            raise StorageError(f"The server of the replay ended before it answered: {last_line(log)}")
        yield found[1]
    finally:
        watchdog.cancel()
        process.stdin.close()  # lets the tether go
        process.stdout.read()
        process.stdout.close()
        process.wait()
