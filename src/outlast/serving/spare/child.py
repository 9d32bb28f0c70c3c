"""The spare process: opens a version, asks it its golden rows, warms it, and says on a pipe how far it came.

Whatever the version's code does to this process, nobody else is harmed by it.
"""

import faulthandler
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from outlast.bundle.predictor import Predictor, open_predictor
from outlast.bundle.replay import replay
from outlast.errors import OutlastError
from outlast.project.workspace import Workspace
from outlast.settings import Settings
from outlast.types import now

OPENING, ASKING, WARMING = "it was opened", "its golden rows were asked", "it answered its own example"
_STACK = 16 << 20
"""What a thread may take beside what it computes."""
_GRACE = 10
"""Seconds after which the system ends what its parent should have ended."""


def main() -> None:
    """Do the job on standard input, and report on standard output."""
    out = os.dup(1)
    os.dup2(2, 1)  # what the version's code prints is no part of the report
    job = msgspec.json.decode(sys.stdin.buffer.readline())
    faulthandler.enable(out)
    threading.Thread(target=_end_with_parent, args=[job["life"]], daemon=True).start()
    _yield_to_others(job["seconds"])

    def report(what: Mapping[str, Any]) -> None:
        os.write(out, msgspec.json.encode(what) + b"\n")

    try:
        proven(job, lambda stage: report({"stage": stage}))
        report({"passed": True})
    except BaseException as error:  # noqa: BLE001 - the version's code runs here, and may raise anything
        report({"passed": False, "says": _said(error, job["memory"])})
    os._exit(0)  # threads that the version's code has started are not waited for


def proven(job: Mapping[str, Any], reached: Callable[[str], None]) -> Predictor:
    """The version of a job, once it gave its golden rows the answers of training."""
    workspace = Workspace.find(Path(job["root"]), msgspec.convert(job["settings"], Settings))
    _leave_the_rest(job["memory"])
    reached(OPENING)
    predictor = open_predictor(workspace, job["digest"], job["version"])
    reached(ASKING)
    done = replay(predictor)
    if done.passed is False:
        raise OutlastError(f"it does not give the answers of its training here: {done.sentence}")
    reached(WARMING)
    predictor.predict([predictor.example()], at=now())
    return predictor


def _said(error: BaseException, memory: int | None) -> str:
    said = str(error) if isinstance(error, OutlastError) else f"{type(error).__name__}: {error}"
    if memory is not None and any(isinstance(one, MemoryError) for one in (error, error.__cause__)):
        return f"it needs more memory than is left here, {memory >> 20:,} MB: {said}"
    return said


def _yield_to_others(seconds: float) -> None:
    """Let go first of the processor and of memory: who is served already comes before who is tried."""
    os.nice(10)
    with suppress(OSError):  # no Linux, or not allowed
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    signal.alarm(int(seconds) + _GRACE)


def _leave_the_rest(memory: int | None) -> None:
    """Refuse this process more memory than the machine has left, so that it fails alone."""
    if memory is None:
        return
    used = _data()
    if used is not None:
        most = used + memory + (os.cpu_count() or 1) * _STACK
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _data() -> int | None:
    """Bytes of address space that count against the limit already."""
    try:
        lines = Path("/proc/self/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), None)


def _end_with_parent(life: int) -> None:
    """Nothing is ever written there: reading ends when whoever holds the other end has gone."""
    os.read(life, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
