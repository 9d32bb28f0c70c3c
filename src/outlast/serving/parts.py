"""The one set of parts behind every protocol of a server."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.serving.explaining import Explaining
from outlast.serving.house import House
from outlast.serving.keys import Keys
from outlast.serving.metrics import Metrics
from outlast.serving.repeats import Repeats
from outlast.serving.shadowing import Shadows
from outlast.serving.together import Together
from outlast.serving.tracing import Tracing
from outlast.serving.workers.station import Load, Station

T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """What a server's endpoints share."""

    house: House
    journal: Journal
    ingest: Ingest
    metrics: Metrics
    workers: ThreadPoolExecutor
    keys: Keys
    together: Together
    shadows: Shadows
    explaining: Explaining
    station: Station
    repeats: Repeats
    tracing: Tracing | None = None

    @property
    def workspace(self) -> Workspace:
        """Where what is served was registered, and answers are kept."""
        return self.ingest.workspace

    @property
    def watching(self) -> bool:
        """Whether changes of the ledger are still being taken."""
        return self.house.watching and self.keys.watching

    @property
    def ready(self) -> bool:
        """Whether the server is: all its processes, and not told to stop."""
        station = self.station
        return not station.leaving and station.others_ready == station.of - 1 and self.ready_here

    @property
    def ready_here(self) -> bool:
        """Whether something is served by this process, nothing that should be is missing, and answers can be kept."""
        served = self.house.predictors()
        if self.journal.unwritten.refusing:
            return False
        return bool(served) and self.house.refused.keys() | self.house.proving.keys() <= served.keys()

    @property
    def load(self) -> Load:
        """What this process has to do now."""
        return Load(self.house.under_way(), self.together.waiting)

    async def aside(self, work: Callable[[], T]) -> T:
        """Do long work in a thread, so that other requests are answered meanwhile; it is still this request's."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, copy_context().run, work)
