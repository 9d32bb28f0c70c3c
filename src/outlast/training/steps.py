"""The steps of a run: timed, and told to whoever watches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Watcher(Protocol):
    """Somebody who is told when a step begins and ends."""

    def begins(self, step: str) -> None: ...

    def ends(self, step: str, seconds: float) -> None: ...


class Steps:
    """Timings by step, in order."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.watcher = watcher

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        if self.watcher:
            self.watcher.begins(name)
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[name] = round(spent, 4)
        if self.watcher:
            self.watcher.ends(name, spent)
