"""How long things took, as a histogram that costs half of what the library's does to add to."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from threading import Lock

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from outlast.serving.workers.counts import Block

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WIDTH = len(BOUNDS) + 2
"""Numbers of one step: what fell up to each bound, what took longer, and the sum."""


class Times(Collector):
    """Seconds by step. All that is counted is one flat sequence of numbers, in memory that others read if there are."""

    def __init__(
        self, name: str, says: str, steps: Sequence[str], shared: Callable[[str, int], Block] | None = None
    ) -> None:
        self._name, self._says = name, says
        self._at = {step: index * _WIDTH for index, step in enumerate(steps)}
        size = _WIDTH * len(steps)
        self._block = None if shared is None else shared(name, size)
        self.cells: MutableSequence[float] = [0.0] * size if self._block is None else self._block.mine
        self._lock = Lock()

    def add(self, step: str, seconds: float) -> None:
        """Count one more."""
        at, cells = self._at[step], self.cells
        place = at + bisect_left(BOUNDS, seconds)
        with self._lock:  # threads that answer large requests add too
            cells[place] += 1
            cells[at + _WIDTH - 1] += seconds

    def add_all(self, marks: Sequence[tuple[str, float]]) -> None:
        """Count steps by when each ended; the first of them is the beginning."""
        cells, (_, since) = self.cells, marks[0]
        with self._lock:
            for step, end in marks[1:]:
                at, seconds, since = self._at[step], end - since, end
                cells[at + bisect_left(BOUNDS, seconds)] += 1
                cells[at + _WIDTH - 1] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus wants it: each bound counts what is below it."""
        found = HistogramMetricFamily(self._name, self._says, labels=["step"])
        with self._lock:
            cells = list(self.cells) if self._block is None else self._block.everywhere()
        for step, at in self._at.items():
            *counts, total = cells[at : at + _WIDTH]
            buckets, below = [], 0.0
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], counts, strict=True):
                below += count
                buckets.append((bound, below))
            found.add_metric([step], buckets, total)
        yield found
