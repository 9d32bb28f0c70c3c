"""One tick in a process of its own, killed at its k-th write to the ledger: before the write, or after it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from outlast.project.workspace import Workspace
from outlast.registry import mirror
from outlast.retraining import jobs
from outlast.retraining.tick import tick
from outlast.storage.ledger.ledger import Ledger


@contextmanager
def counted(fatal: int = 0, when: str = "-") -> Iterator[list[int]]:
    """The writes to the ledger, one by one; at the fatal one this process is killed."""
    writes: list[int] = []
    plain = Ledger.write

    @contextmanager
    def write(ledger: Ledger) -> Iterator[sa.Connection]:
        writes.append(number := len(writes) + 1)
        if number == fatal and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        with plain(ledger) as connection:
            yield connection
            if number == fatal and when == "within":
                os.kill(os.getpid(), signal.SIGKILL)
        if number == fatal and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    Ledger.write = write  # type: ignore[method-assign]
    try:
        yield writes
    finally:
        Ledger.write = plain  # type: ignore[method-assign]


def main(root: str, now: str, worker: str, fatal: int, when: str, only: str) -> None:
    mirror.mirror = lambda *_: []  # MLflow takes seconds to load and has tests of its own
    for name in ("FIRST", "PER_MODEL", "LAST", "LOOP"):
        if only not in ("", name):
            getattr(jobs, name).clear()
    with counted(fatal, when):
        tick(Workspace(Path(root)), now=datetime.fromisoformat(now), worker=worker)


if __name__ == "__main__":
    root, now, worker, fatal, when, *only = sys.argv[1:]
    main(root, now, worker, int(fatal), when, "".join(only))
