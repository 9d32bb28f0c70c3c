"""Parts scored by several processes at once: a model's Python takes one processor, and a table has all of them."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import polars as pl

from outlast.engines import size_of
from outlast.errors import OutlastError, StorageError
from outlast.project.workspace import Workspace
from outlast.serving.scoring.kept import Run, Told
from outlast.serving.scoring.part import Scorer
from outlast.serving.scoring.worker import Task

ALONE = 60_000
"""Up to this many rows are scored here: another process takes a second to be ready."""
_LOOK = 1.0
_POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Parts = Iterator[tuple[int, pl.DataFrame]]


def processors() -> int:
    """How many processes a run may have."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scored(workspace: Workspace, run: Run, folder: Path, target: str, parts: Parts, *, workers: int) -> Iterator[Told]:
    """Score parts, and say what became of each; now and then that nothing new is done yet."""
    if workers < 2:
        scorer = Scorer(workspace, run, folder, target)
        for number, rows in parts:
            yield scorer.score(number, rows)
        return
    with ExitStack() as stack:
        crew = [stack.enter_context(_Hand(workspace, run, folder, target, workers)) for _ in range(workers)]
        yield from _shared_out(crew, parts)


def _shared_out(crew: list["_Hand"], parts: Parts) -> Iterator[Told]:
    """Whoever is done gets the next part, which was read while all were busy."""
    following = next(parts, None)
    busy = {hand.channel: hand for hand in crew}
    while busy:
        ready = wait(list(busy), timeout=_LOOK)
        if not ready:
            yield Told()
        for channel in ready:
            assert isinstance(channel, Connection)
            hand = busy[channel]
            told = hand.answer()
            if following is None:
                del busy[channel]
            else:
                hand.give(*following)
                following = next(parts, None)
            if told is not None:
                yield told


class _Hand:
    """One of the processes, with no more than its share of threads and memory."""

    def __init__(self, workspace: Workspace, run: Run, folder: Path, target: str, of: int) -> None:
        memory = size_of(workspace.settings.memory) if workspace.settings.memory else workspace.engine.memory
        settings = replace(workspace.settings, memory=f"{max(1, memory // of // 10**6)}MB")
        self._task = Task(workspace.root, workspace.declaration, settings, run, folder, target)
        self._threads = str(max(1, processors() // of))
        self._number: int | None = None

    def __enter__(self) -> "_Hand":
        self.channel, theirs = Pipe()
        environment = dict.fromkeys(_POOLS, self._threads) | dict(os.environ)
        command = [sys.executable, "-m", "outlast.serving.scoring.worker", str(theirs.fileno())]
        with theirs:
            self._process = Popen(
                command, stdin=PIPE, pass_fds=[theirs.fileno()], env=environment, start_new_session=True
            )
        self.channel.send(self._task)
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self._process.kill()
        self._process.communicate()

    def give(self, number: int, rows: pl.DataFrame) -> None:
        """Hand a part over."""
        self._number = number
        stream = io.BytesIO()
        rows.write_ipc_stream(stream)
        try:
            self.channel.send((number, stream.getvalue()))
        except OSError as error:
            raise self._ended() from error

    def answer(self) -> Told | None:
        """What became of its part; None from one that is only ready."""
        try:
            said: Told | tuple[type[OutlastError], str, dict[str, Any]] | None = self.channel.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(said, tuple):
            kind, sentence, details = said
            raise kind(sentence, details=details)
        return said

    def _ended(self) -> StorageError:
        status = self._process.wait()
        why = f"by signal {-status}" if status < 0 else f"with status {status}"
        what = "before it began" if self._number is None else f"at part {self._number}"
        return StorageError(
            f"A process that scored ended {why}, {what}: the log above may say why; the same command goes on, "
            "with --workers 1 in this process"
        )
