"""Running the spare process: what it is given, how long it may take, and what its end says."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from outlast.project.workspace import Workspace
from outlast.serving.memory import Known
from outlast.serving.spare import child
from outlast.serving.spare.room import room

_LEFT = 0.9
"""The share of the memory that is free which a trial may take."""


@dataclass(frozen=True)
class Trial:
    """How a trial in a spare process ended."""

    result: str
    """passed, failed, died or late; stopped where the server ended first."""
    says: str
    seconds: float
    python: Path | None = None
    """The Python by which it passed, where it is not the one here."""

    @property
    def passed(self) -> bool:
        return self.result == "passed"


class Spare:
    """One process at work, which can be stopped from another thread."""

    def __init__(self, workspace: Workspace, known: Known, *, seconds: float, python: Path | None = None) -> None:
        self._seconds, self._stopped, self._begin = seconds, False, monotonic()
        held, self._life = os.pipe()  # the child ends when nobody holds the other end any more
        self._job = msgspec.json.encode({**job_of(workspace, known), "seconds": seconds, "life": held}) + b"\n"
        try:
            self._process = subprocess.Popen(
                [str(python or sys.executable), *of_other(python), "-m", child.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[held],
                start_new_session=True,  # what it starts ends with it; a signal to the server's group is not for it
            )
        finally:
            os.close(held)

    def result(self) -> Trial:
        """Wait for its end, at most as long as it may take."""
        late = False
        try:
            said, _ = self._process.communicate(self._job, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            late = True
            self._kill()
            said, _ = self._process.communicate()
        finally:
            os.close(self._life)
        took = monotonic() - self._begin
        if self._stopped:
            return Trial("stopped", "the server ended", took)
        return self._read(said.decode("utf-8", "replace").splitlines(), took, late)

    def stop(self) -> None:
        """End it now: nobody waits for what it says."""
        self._stopped = True
        if self._process.poll() is None:
            self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it ended by itself just now
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, lines: list[str], took: float, late: bool) -> Trial:
        stage, result = "it was started", None
        for found in filter(None, map(_report, lines)):
            stage, result = found.get("stage", stage), found if "passed" in found else result
        if result is not None and not late:
            return Trial("passed" if result["passed"] else "failed", result.get("says", ""), took)
        tried = "in the spare process in which it was tried first"
        if late:
            return Trial("late", f"{tried}, it was not done within {self._seconds:g} s: it hung while {stage}", took)
        return Trial("died", f"{tried}, it {_ended(self._process.returncode, lines)} while {stage}", took)


def of_other(python: Path | None) -> list[str]:
    """Options of another Python: what variables say of packages is meant for this one."""
    return [] if python is None else ["-I"]


def job_of(workspace: Workspace, known: Known) -> dict[str, Any]:
    """What a process of another environment is told, which may be of an earlier release: this may only grow."""
    free = room()
    return {
        "format": 1,
        "root": str(workspace.root),
        "settings": workspace.settings,
        "model": known.model,
        "digest": known.digest,
        "version": known.version,
        "memory": None if free is None else int(free * _LEFT),
    }


def _report(line: str) -> Mapping[str, Any] | None:
    """A line of the child's own; others are of the interpreter, dying."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _ended(code: int, lines: list[str]) -> str:
    if code >= 0:
        return f"ended the process with status {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return f"was killed ({name}), as the system does where memory runs out,"
    where = _where(lines)
    return f"ended the process by {name}{f' in {where}' if where else ''}"


def _where(lines: list[str]) -> str:
    """The place in the version's code, else wherever it was, in what the interpreter says as it dies."""
    begin = next((number for number, line in enumerate(lines) if line.startswith("Current thread")), len(lines))
    places = [line.strip()[5:] for line in lines[begin:] if line.strip().startswith("File ")]
    return next((place for place in places if place.startswith('"<bundle')), places[0] if places else "")
