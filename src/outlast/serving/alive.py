"""Which servers of this machine are alive: a file each holds locked and touches, free when its process is gone."""

import fcntl
import os
import re
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from outlast.clock import machine
from outlast.errors import StorageError
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.types import now

_GRACE = timedelta(seconds=1)
"""How long after its last beat a killed server may still have answered; a beat is due every quarter of a second."""


def server_name() -> str:
    """A name no other server ever has: host, process and a few random letters."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname()) or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


class Alive:
    """This server's sign of life, from its making until close() or the end of the process."""

    def __init__(self, workspace: Workspace, server: str) -> None:
        self._path = _folder(workspace) / f"{server}.alive"
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            os.rename(draft, self._path)  # it bears the name that others look for only once it is locked
        except OSError as error:
            raise StorageError(f"Could not write {self._path}: {error}; check the disk and its permissions") from error

    def beat(self) -> None:
        """Note that the server lives now."""
        os.utime(self._fd)

    def close(self) -> None:
        """Leave in order: the server has closed its own spans."""
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


@dataclass(frozen=True)
class Dead:
    """A server whose process ended without closing what it served, and when it last gave a sign of life."""

    server: str
    path: Path
    last: datetime


def dead(workspace: Workspace) -> list[Dead]:
    """The servers of this machine and workspace that were killed."""
    return [one for one in _signs(workspace) if isinstance(one, Dead)]


def living(workspace: Workspace) -> list[str]:
    """The servers of this machine and workspace that run now."""
    return [one for one in _signs(workspace) if isinstance(one, str)]


def _signs(workspace: Workspace) -> list[Dead | str]:
    """Every server that left a sign of life: how it ended, or its name while it holds on to the sign."""
    found: list[Dead | str] = []
    for path in sorted(_folder(workspace).glob("*.alive")):
        try:
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # it left in order just now
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            last = datetime.fromtimestamp(os.fstat(fd).st_mtime, UTC)
            found.append(Dead(path.stem, path, last))
        except BlockingIOError:
            found.append(path.stem)
        finally:
            os.close(fd)
    return found


def close_dead(workspace: Workspace) -> int:
    """Close in the ledger what killed servers left open, at their last sign of life; returns how many spans."""
    closed = 0
    for one in dead(workspace):
        gone = max(machine() - one.last - _GRACE, timedelta(0))  # a file's time is the machine's, a story's is not
        closed += served.abandon(workspace.ledger, at=now() - gone, server_prefix=one.server)
        one.path.unlink(missing_ok=True)
    return closed


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "servers"
