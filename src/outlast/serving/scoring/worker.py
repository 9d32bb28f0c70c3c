"""A process that scores parts for a run: `python -m outlast.serving.scoring.worker FD`, told what by that socket.

It ends with the process that began it, however that ends.
"""

import gc
import io
import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from outlast.errors import OutlastError
from outlast.project.workspace import Declaration, Workspace
from outlast.serving.scoring.kept import Run
from outlast.serving.scoring.part import Scorer
from outlast.settings import Settings


class Task(NamedTuple):
    """What a worker is told first: the workspace, the run, and where its parts go."""

    root: Path
    declaration: Declaration
    settings: Settings
    run: Run
    folder: Path
    target: str


def main(channel: Connection) -> None:
    """Score parts until there are no more; an error is handed back, as its class and what it says."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task: Task = channel.recv()
    workspace = Workspace(task.root, task.declaration, task.settings)
    scorer = Scorer(workspace, task.run, task.folder, task.target)
    gc.freeze()
    gc.disable()  # a part's answers hold no cycles, and looking for some took a fifth of the time
    channel.send(None)
    while True:
        try:
            number, rows = channel.recv()
        except EOFError:
            return
        channel.send(_scored(scorer, number, rows))


def _scored(scorer: Scorer, number: int, rows: bytes) -> Any:
    try:
        return scorer.score(number, pl.read_ipc_stream(io.BytesIO(rows)))
    except OutlastError as error:
        return type(error), error.sentence, error.details


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
