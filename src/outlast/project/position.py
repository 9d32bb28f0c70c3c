"""How far a replay came, kept beside the workspace's other files, so that the next one goes on from there."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from outlast.errors import StorageError
from outlast.project.workspace import Workspace
from outlast.storage.whole import write_whole
from outlast.types import FORMAT


@dataclass
class Position:
    """Since when a model's story is told here, up to when it is told, and how much that was."""

    model: str
    begun: datetime
    until: datetime
    questions: int = 0
    facts: int = 0
    labels: int = 0
    ticks: int = 0
    format: int = FORMAT


def clock_file(workspace: Workspace) -> Path:
    """The clock of a workspace's replays."""
    return workspace.home / "clock"


def find(workspace: Workspace, model: str) -> Position | None:
    """How far a model's replay came; None before the first."""
    file = _file(workspace, model)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Position)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise StorageError(f"{file} does not say how far a replay came ({error}): take it away to begin anew") from None


def keep(workspace: Workspace, position: Position) -> None:
    """Note how far a replay came."""
    write_whole(_file(workspace, position.model), msgspec.json.encode(asdict(position)) + b"\n")


def _file(workspace: Workspace, model: str) -> Path:
    return workspace.home / f"replay-{model}.json"
