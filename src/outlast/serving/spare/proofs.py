"""What was proven on this machine: which bytes gave the answers of their training in which environment."""

import logging
from datetime import datetime
from pathlib import Path

import msgspec

from outlast.bundle.machine import here
from outlast.project.workspace import Workspace
from outlast.serving.memory import replace
from outlast.types import FORMAT

_log = logging.getLogger("outlast.serving")


class Proof(msgspec.Struct, frozen=True):
    """A version opened, gave its golden rows the answers of training and was asked its own example, by itself."""

    digest: str
    environment: str
    processor: str
    at: datetime
    seconds: float
    by: str
    python: str | None = None
    """The Python of its own environment, where only that one gave the answers of training."""
    format: int = FORMAT


class Proofs:
    """One small file per version, beside what was served last. What is there need not be tried again."""

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.home / "serving" / "proven"

    def find(self, digest: str) -> Proof | None:
        """The proof of a version in this environment on this kind of processor."""
        try:
            found = msgspec.json.decode(self._path(digest).read_bytes(), type=Proof)
        except (OSError, msgspec.MsgspecError):
            return None  # none yet, or not readable: it is tried again
        gone = found.python is not None and not Path(found.python).exists()
        same = {"environment": found.environment, "processor": found.processor} == here()
        return found if same and not gone else None

    def note(self, digest: str, *, at: datetime, seconds: float, by: str, python: Path | None = None) -> Proof:
        """Keep that a version was proven here, or by another Python."""
        other = None if python is None else str(python)
        proof = Proof(digest, here()["environment"], here()["processor"], at, seconds, by, other)
        replace(self._path(digest), msgspec.json.encode(proof))
        return proof

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.json"
