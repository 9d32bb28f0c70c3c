"""Counters of several processes as one: each adds in memory that is a file, and who is asked adds all of them up.

prometheus_client has this too, and its way of writing a number takes more than twice as long as counting in one
process: ours is one addition in mapped memory. Its format of files and its sums are used as they are. What a killed
process counted is in its file; its successor goes on in it, so that there never are more files than workers.
"""

import mmap
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

_files: Any = MmapedDict  # these have no types
_collector: Any = MultiProcessCollector
_own: Any = values.MutexValue
_SUMS = ("counter", "histogram", "summary")


class Counts:
    """The folder of a server whose processes count together; everything counted from now on is."""

    def __init__(self, folder: Path, slot: int) -> None:
        self._folder, self._slot = folder, slot
        self._open: dict[str, Any] = {}
        values.ValueClass = _shared(folder, slot, self._open)

    def collected(self, mine: CollectorRegistry) -> Iterable[Metric]:
        """What all of them counted, and what else this process says: how things are is no sum."""
        sums = {one.name: one for one in _collector(None, os.fspath(self._folder)).collect()}
        yield from (sums.pop(one.name, one) for one in mine.collect())
        yield from sums.values()

    def block(self, name: str, size: int) -> "Block":
        """So many numbers of which each process has its own."""
        return Block(self._folder, name, self._slot, size)

    def close(self) -> None:
        """Count in this process alone from now on; what was counted stays."""
        values.ValueClass = _own
        for one in self._open.values():
            one._f.close()


class Block:
    """Numbers side by side: this process's own, and the sums over all."""

    def __init__(self, folder: Path, name: str, slot: int, size: int) -> None:
        self._folder, self._name, self._bytes = folder, name, 8 * size
        with (folder / f"{name}_{slot}.cells").open("a+b") as file:
            file.truncate(self._bytes)
            self.mine: Any = memoryview(mmap.mmap(file.fileno(), self._bytes)).cast("d")

    def everywhere(self) -> list[float]:
        """The sum of each over all processes."""
        read = (path.read_bytes() for path in self._folder.glob(f"{self._name}_*.cells"))
        found = [memoryview(one).cast("d") for one in read if len(one) == self._bytes]
        return [sum(numbers) for numbers in zip(*found, strict=True)]


class _Value:
    """A number in this process's file; threads may share it."""

    def __init__(self, file: Any, key: str) -> None:
        file.read_value(key)  # which makes room for it
        self._cells = memoryview(file._m).cast("d")  # a file that grows is mapped anew, and this one stays valid
        self._at = file._positions[key] // 8
        self._lock = Lock()

    def inc(self, amount: float) -> None:
        with self._lock:
            self._cells[self._at] += amount

    def get(self) -> float:
        return float(self._cells[self._at])

    def get_exemplar(self) -> None:
        return None

    def set_exemplar(self, exemplar: Mapping[str, str]) -> None:
        """Examples are not kept across processes."""


def _shared(folder: Path, slot: int, files: dict[str, Any]) -> Callable[..., Any]:
    made: dict[str, _Value] = {}
    making = Lock()

    def value(
        kind: str, metric: str, name: str, labels: Sequence[str], given: Sequence[str], help_text: str, **more: Any
    ) -> Any:
        if kind not in _SUMS:
            return _own(kind, metric, name, labels, given, help_text, **more)
        key = mmap_key(metric, name, list(labels), list(given), help_text)
        with making:
            if key not in made:
                if kind not in files:
                    files[kind] = _files(os.fspath(folder / f"{kind}_{slot}.db"))
                made[key] = _Value(files[kind], key)
            return made[key]

    return value
