"""One tick in a process of its own, killed at its k-th write to the ledger: before the write, or after it."""

import os
import signal
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from outlast.project.workspace import Workspace
from outlast.registry import mirror
from outlast.retraining import jobs
from outlast.retraining.tick import tick
from outlast.storage.ledger.ledger import Ledger


def main(root: str, now: str, worker: str, fatal: int, when: str, only: str) -> None:
    writes, plain = iter(range(1, 10_000)), Ledger.write

    @contextmanager
    def write(ledger: Ledger):
        number = next(writes)
        if number == fatal and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        with plain(ledger) as connection:
            yield connection
            if number == fatal and when == "within":
                os.kill(os.getpid(), signal.SIGKILL)
        if number == fatal and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    Ledger.write = write  # type: ignore[method-assign]
    mirror.mirror = lambda *_: []  # MLflow takes seconds to load and has tests of its own
    for name in ("FIRST", "PER_MODEL", "LAST", "LOOP"):
        if only not in ("", name):
            getattr(jobs, name).clear()
    done = tick(Workspace(Path(root)), now=datetime.fromisoformat(now), worker=worker)
    print(f"{next(writes) - 1} writes", *(f"{line.job} {line.sentence}" for line in done), sep="\n")


if __name__ == "__main__":
    root, now, worker, fatal, when, *only = sys.argv[1:]
    main(root, now, worker, int(fatal), when, "".join(only))
