"""Requests that arrive when they are due, whether or not the ones before were answered, as callers' do.

Each is timed from the moment it was due: a server that falls behind is not spared the wait it causes.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any

import numpy as np

SECONDS = 2.5
_ENOUGH = 100
"""Answers below which more are asked, one after the other: a p99 of few is the worst of them."""
_MORE = 1.5
_MOST = 20_000
_WORKERS = 64
_PATIENCE = 30.0
_FIRST = 2


@dataclass(frozen=True)
class Timed:
    """How long answers took, in milliseconds, and the share of the time this process itself was busy asking."""

    p50: float
    p99: float
    requests: int
    slow: int
    failed: int
    first: int
    """Requests before those, which are not timed."""
    seconds: float
    """What all answers took together."""
    busy: float


def load(address: str, path: str, bodies: Sequence[Any], rate: float, *, within: float, seed: int) -> Timed:
    """Ask a server at a rate, bodies in turn, some seconds long; an answer may take `within` seconds."""
    requests = [json.dumps(body).encode() for body in bodies]
    due = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, max(1, min(_MOST, int(rate * SECONDS)))))
    workers = int(np.clip(np.ceil(rate * within) + 4, 8, _WORKERS))
    lanes = [_Lane(address, path, requests) for _ in range(min(workers, len(due)))]
    processor, begin = time.process_time(), time.perf_counter()
    turns = count()
    with ThreadPoolExecutor(len(lanes)) as pool:
        taken = [one for part in pool.map(lambda lane: lane.asked(begin + due, turns), lanes) for one in part]
    busy = (time.process_time() - processor) / (time.perf_counter() - begin)
    taken += lanes[0].one_by_one(_ENOUGH - len(taken))
    for lane in lanes:
        lane.close()
    first = len(lanes) * len(requests[:_FIRST])
    known = np.array([one for one in taken if one is not None])
    p50, p99 = np.quantile(known, [0.5, 0.99], method="higher") * 1000 if len(known) else (np.inf, np.inf)
    slow, failed = int((known > within).sum()), len(taken) - len(known)
    return Timed(float(p50), float(p99), len(taken), slow, failed, first, float(known.sum()), busy)


def warm(address: str, path: str, bodies: Sequence[Any]) -> None:
    """Ask for the first time: what is loaded then is loaded."""
    _Lane(address, path, [json.dumps(body).encode() for body in bodies]).close()


class _Lane:
    """One kept connection; what it asks is answered before it asks again."""

    def __init__(self, address: str, path: str, requests: Sequence[bytes]) -> None:
        self._connection = HTTPConnection(address.removeprefix("http://"), timeout=_PATIENCE)
        self._path, self._requests = path, requests
        for request in requests[:_FIRST]:  # it connects, and what is loaded at first use is loaded
            self._ask(request)

    def asked(self, due: Any, turns: "count[int]") -> list[float | None]:
        """Take the next request that is due until there is none; None for one that failed."""
        found: list[float | None] = []
        while (turn := next(turns)) < len(due):
            time.sleep(max(0.0, due[turn] - time.perf_counter()))
            answered = self._ask(self._requests[turn % len(self._requests)])
            found.append(time.perf_counter() - due[turn] if answered else None)
        return found

    def one_by_one(self, wanted: int) -> list[float | None]:
        """So many more, each after the one before, for a while at most."""
        found: list[float | None] = []
        until = time.perf_counter() + _MORE
        while len(found) < wanted and (begin := time.perf_counter()) < until:
            answered = self._ask(self._requests[len(found) % len(self._requests)])
            found.append(time.perf_counter() - begin if answered else None)
        return found

    def close(self) -> None:
        self._connection.close()

    def _ask(self, body: bytes) -> bool:
        try:
            self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            return False
        return answer.status == 200
