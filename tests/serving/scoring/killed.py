"""One run in a process of its own, killed after the k-th time that it did something."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outlast.journal import runs
from outlast.project.workspace import Workspace
from outlast.serving.scoring import batch, targets
from outlast.serving.scoring.kept import Kept
from outlast.types import ModelRef

AT = datetime(2024, 6, 1, tzinfo=UTC)
PART = 7
DOINGS: dict[str, tuple[Any, str]] = {
    "kept": (Kept, "keep"),
    "journalled": (runs, "keep"),
    "published": (targets, "publish"),
    "cleared": (Kept, "remove"),
}


class Quiet:
    def total(self, rows: int) -> None: ...

    def advance(self, rows: int) -> None: ...


def _fatal(work: Callable[..., Any], time: int) -> Callable[..., Any]:
    count = 0

    def done(*given: Any, **named: Any) -> Any:
        nonlocal count
        found = work(*given, **named)
        count += 1
        if count == time:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return done


def main(folder: str, source: str, target: str, doing: str, time: int) -> None:
    place, name = DOINGS[doing]
    setattr(place, name, _fatal(getattr(place, name), time))
    batch.PART, batch.publish = PART, targets.publish
    asked = batch.Batch(Path(source), Path(target), record=True, at=AT)
    batch.score_file(Workspace.find(Path(folder)), ModelRef("late"), asked, Quiet())


if __name__ == "__main__":
    main(*sys.argv[1:5], time=int(sys.argv[5]))
