"""Ticks beside a server: each in a process of its own, so that no request waits for one."""

import json
import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from outlast.serving.workers.threads import elsewhere

_log = logging.getLogger("outlast.tick")
_LOOK = 0.2
_LEAVE = 5.0
"""Seconds a tick has to end when the server stops; it may be killed at any time, the next one goes on."""


@contextmanager
def ticking(root: Path, every: float) -> Iterator[None]:
    """Tick every so many seconds inside the block; what a tick did, or why it failed, is logged in a line."""
    stop = threading.Event()
    thread = threading.Thread(target=_go_on, args=(root, every, stop), name="outlast-ticking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2 * _LEAVE)


def _go_on(root: Path, every: float, stop: threading.Event) -> None:
    while not stop.wait(every):
        try:
            _tick(root, stop)
        except OSError as error:
            _log.warning("tick could not be started: %s", error)


def _tick(root: Path, stop: threading.Event) -> None:
    command = [sys.executable, "-m", "outlast", "tick", "--json"]
    with tempfile.TemporaryFile() as out:
        # Its standard error is ours: alerts that go to the log are seen where the server runs.
        process = subprocess.Popen(
            command, cwd=root, env=elsewhere(), stdin=subprocess.DEVNULL, stdout=out, start_new_session=True
        )
        while process.poll() is None and not stop.wait(_LOOK):
            pass
        if process.poll() is None:
            _end(process)
        elif process.returncode:
            _log.warning("tick: %s", _said(out, "failed"))
        elif said := _said(out, "did"):
            _log.info("tick: %s", said)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _said(out: IO[bytes], what: str) -> str:
    """Which jobs failed and why, or did something; nothing where none did."""
    out.seek(0)
    try:
        done = json.load(out)
    except ValueError:
        return "it ended before its jobs; the line above says why"
    told = [(" ".join(filter(None, (one["job"], one["model"]))), one["sentence"]) for one in done if one[what]]
    return "; ".join(f"{job}: {sentence}" for job, sentence in told)
