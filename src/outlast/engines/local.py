"""This process: as many threads as there are processors for small parts, one part after the other for large ones."""

import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from outlast.engines.engine import Found, Part
from outlast.errors import ProjectError

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Local:
    """This process, with half of the machine's memory by default."""

    limit: int | None = None

    @property
    def threads(self) -> int:
        """How many small parts are computed at once; no more than eight, since each takes memory too."""
        return min(_processors(), 8)

    @property
    def memory(self) -> int:
        return self.limit or _machine() // 2

    def whole(self, work: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
        return [work(part) for part in parts]

    def shared(self, work: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
        """The same for small parts of something that lies in this process's memory, several at once."""
        wanted = list(parts)
        workers = min(self.threads, len(wanted))
        if workers < 2:
            return [work(part) for part in wanted]
        with ThreadPoolExecutor(workers, thread_name_prefix="outlast-part") as pool:
            return list(pool.map(work, wanted))


def size_of(text: str) -> int:
    """A size of memory as people write it, in bytes.

    >>> size_of("2GB"), size_of("512 MiB"), size_of("1.5g")
    (2000000000, 536870912, 1500000000)
    """
    found = _SIZE.fullmatch(text)
    size = int(float(found[1]) * _UNITS[found[2].lower()]) if found and found[2].lower() in _UNITS else 0
    if size < 10**6:
        raise ProjectError(f"OUTLAST_MEMORY is '{text}': expected a size of at least 1 MB, such as 4GB or 512MiB")
    return size


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _machine() -> int:
    """The memory this process can have: the machine's, or its container's where that has less."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _LIMITS:
        try:
            said = path.read_text().strip()
        except OSError:
            continue  # another kind of system, or none of our business
        there = min(there, int(said)) if said.isdigit() else there
    return there
