"""Requests that arrive when they are due, whether or not the ones before were answered, as callers' do.

Each is timed from the moment it was due: a server that falls behind is not spared the wait it causes.
"""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count
from typing import Any, NamedTuple

import numpy as np

SECONDS = 2.5
_ENOUGH = 100
"""Answers below which more are asked, one after the other: a p99 of few is the worst of them."""
_MORE = 1.5
_MOST = 20_000
_WORKERS = 256
_RUNG = b'"rung":"'
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


class Taken(NamedTuple):
    """What became of a request: when it was due, how long it took from then, its status (0: none), its rung."""

    due: float
    seconds: float
    status: int
    rung: str


@dataclass(frozen=True)
class Offered:
    """Every request of a load, in the order they were due."""

    taken: list[Taken]
    asked: float
    """Seconds from the first that was due to the last answer."""
    busy: float
    first: int

    @property
    def answered(self) -> list[float]:
        return [one.seconds for one in self.taken if one.status == 200]


def offer(  # noqa: PLR0913 (what is asked, how often and how long, by name)
    address: str, path: str, bodies: Sequence[Any], rate: float, seconds: float, *, within: float, seed: int,
    token: str | None = None, told: Callable[[int], object] = lambda _: None,
) -> Offered:  # fmt: skip
    """Ask a server at a rate for so long, bodies in turn; `told` hears how many were answered."""
    requests = [json.dumps(body).encode() for body in bodies]
    due = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, max(1, int(rate * seconds))))
    workers = int(np.clip(np.ceil(rate * within) + 4, 8, _WORKERS))
    lanes = [_Lane(address, path, requests, token) for _ in range(min(workers, len(due)))]
    processor, begin = time.process_time(), time.perf_counter()
    turns = count()
    with ThreadPoolExecutor(len(lanes)) as pool:
        parts = pool.map(lambda lane: lane.asked(begin, due, turns, told), lanes)
        taken = sorted(one for part in parts for one in part)
    asked = time.perf_counter() - begin
    busy = (time.process_time() - processor) / asked
    for lane in lanes:
        lane.close()
    return Offered(taken, asked, busy, len(lanes) * len(requests[:_FIRST]))


def load(address: str, path: str, bodies: Sequence[Any], rate: float, *, within: float, seed: int) -> Timed:
    """Ask a server at a rate, bodies in turn, some seconds long; an answer may take `within` seconds."""
    seconds = min(SECONDS, _MOST / rate)
    found = offer(address, path, bodies, rate, seconds, within=within, seed=seed)
    alone = _Lane(address, path, [json.dumps(body).encode() for body in bodies])
    more = alone.one_by_one(_ENOUGH - len(found.taken))
    alone.close()
    known = np.array([*found.answered, *(one for one in more if one is not None)])
    asked = len(found.taken) + len(more)
    p50, p99 = np.quantile(known, [0.5, 0.99], method="higher") * 1000 if len(known) else (np.inf, np.inf)
    failed = asked - len(known)
    slow, first = int((known > within).sum()), found.first + min(_FIRST, len(bodies))
    return Timed(float(p50), float(p99), asked, slow, failed, first, float(known.sum()), found.busy)


def warm(address: str, path: str, bodies: Sequence[Any]) -> None:
    """Ask for the first time: what is loaded then is loaded."""
    _Lane(address, path, [json.dumps(body).encode() for body in bodies]).close()


class _Lane:
    """One kept connection; what it asks is answered before it asks again."""

    def __init__(self, address: str, path: str, requests: Sequence[bytes], token: str | None = None) -> None:
        secure = address.startswith("https://")
        kind = HTTPSConnection if secure else HTTPConnection
        self._connection = kind(address.removeprefix("https://" if secure else "http://"), timeout=_PATIENCE)
        self._path, self._requests = path, requests
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        for request in requests[:_FIRST]:  # it connects, and what is loaded at first use is loaded
            self._ask(request)

    def asked(self, begin: float, due: Any, turns: "count[int]", told: Callable[[int], object]) -> list[Taken]:
        """Take the next request that is due until there is none."""
        found: list[Taken] = []
        while (turn := next(turns)) < len(due):
            since = begin + float(due[turn])
            time.sleep(max(0.0, since - time.perf_counter()))
            status, rung = self._ask(self._requests[turn % len(self._requests)])
            found.append(Taken(since - begin, time.perf_counter() - since, status, rung))
            told(1)
        return found

    def one_by_one(self, wanted: int) -> list[float | None]:
        """How long so many more took, each after the one before, for a while at most; None for one that failed."""
        found: list[float | None] = []
        until = time.perf_counter() + _MORE
        while len(found) < wanted and (begin := time.perf_counter()) < until:
            status, _ = self._ask(self._requests[len(found) % len(self._requests)])
            found.append(time.perf_counter() - begin if status == 200 else None)
        return found

    def close(self) -> None:
        self._connection.close()

    def _ask(self, body: bytes) -> tuple[int, str]:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            return 0, ""
        place = said.find(_RUNG) + len(_RUNG)
        return answer.status, said[place : said.find(b'"', place)].decode() if place >= len(_RUNG) else ""
