"""Measures 20 promotions and rollbacks while clients send without pause: failed, half-loaded and unexplained answers.

Each change is a command of its own, as a person gives it. An answer is *half-loaded* when its score is not the one that
its version gives when nothing changes, and *unexplained* when `outlast history` has no span of that version around it.
"""

import json
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from _flights import MODEL, Flights, flights
from _http import Connection, free_port, server
from _outlast import ENVIRONMENT, OUTLAST
from _report import conclude, quantile, spread, table, where

from outlast.serving.handle import open_model

CHANGES, CLIENTS, QUESTIONS, PATIENCE = 20, 2, 400, 60.0
TREES = (15, 30, 40)  # the first is the worst, since a promotion must not be for the worse


@dataclass(frozen=True)
class Sent:
    """One request and what came back."""

    begin: float
    end: float
    question: int
    status: int
    answer: dict[str, Any]


class Clients:
    """Threads that ask without pause, each over one kept connection."""

    def __init__(self, port: int, questions: list[dict[str, Any]]) -> None:
        self.sent: list[Sent] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._port, self._questions = port, questions
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, version: int) -> None:
        """Wait until this version answers; SystemExit when it never does."""
        begin = time.monotonic()
        while not self.sent or self.sent[-1].answer.get("version") != version:
            if time.monotonic() > begin + PATIENCE or self.failed:
                raise SystemExit(f"Version {version} did not answer within {PATIENCE:.0f} s: {self.failed}")
            time.sleep(0.005)

    def _ask(self, first: int) -> None:
        connection = Connection(self._port, f"/predict/{MODEL}")
        requests = [connection.request(one) for one in self._questions]
        number = first
        try:
            while not self._stop.is_set():
                question = number % len(requests)
                begin = time.time()
                status, answer = connection.send(requests[question])
                self.sent.append(Sent(begin, time.time(), question, status, json.loads(answer)))
                number += CLIENTS
        except OSError as error:
            self.failed.append(str(error))


def expected(project: Flights, questions: list[dict[str, Any]]) -> dict[int, list[float | None]]:
    """What each version answers when nothing changes."""
    numbers = range(1, len(TREES) + 1)
    found = {n: [one.score for one in open_model(f"{MODEL}@{n}", project.folder).answers(questions)] for n in numbers}
    if len({tuple(scores) for scores in found.values()}) != len(TREES):
        raise SystemExit("Two versions answer the same: nothing would tell which of them answered")
    return found


def change(project: Flights, turn: int) -> int:
    """Promote another version, or roll back to the first; gives the version that is live then."""
    if turn % 2:
        done = project.run("rollback", MODEL, "--json", "--reason", "a benchmark")
    else:
        version = 2 + turn // 2 % (len(TREES) - 1)
        done = project.run("promote", f"{MODEL}@{version}", "--json", "--reason", "a benchmark")
    found = json.loads(done)
    live: int = found.get("rollout", found)["live"]
    return live


def unexplained(project: Flights, sent: list[Sent]) -> int:
    """How many answers lie in no span of their version."""
    spans: dict[int, list[tuple[float, float]]] = {}
    for one in project.history()["served"]:
        since, until = (datetime.fromisoformat(one[name]).timestamp() for name in ("since", "until"))
        spans.setdefault(one["version"], []).append((since, until))

    def lies_in_a_span(one: Sent) -> bool:
        found = spans.get(one.answer.get("version", 0), [])
        return any(since <= one.end and one.begin <= until for since, until in found)

    return sum(not lies_in_a_span(one) for one in sent if one.status == 200)


def change_under_load(project: Flights, questions: list[dict[str, Any]]) -> tuple[Clients, list[float]]:
    """All that was sent during the changes, and how long each command took until its version answered."""
    port = free_port()
    command = [OUTLAST, "serve", "--port", str(port)]
    with ExitStack() as open_:
        open_.enter_context(server(command, port, folder=project.folder, environment=ENVIRONMENT, ready="/readyz"))
        clients = open_.enter_context(Clients(port, questions))
        clients.wait_for(1)
        taken = []
        for turn in range(CHANGES):
            begin = time.monotonic()
            clients.wait_for(change(project, turn))
            taken.append(time.monotonic() - begin)
    return clients, taken


def main() -> int:
    with flights() as project:
        for trees in TREES:
            project.train(trees)
        project.run("promote", f"{MODEL}@1", "--quiet")
        questions = project.questions()[:QUESTIONS]
        clients, taken = change_under_load(project, questions)
        scores = expected(project, questions)
        strange = unexplained(project, clients.sent)
        spans = len(project.history()["served"])
    good = [one for one in clients.sent if one.status == 200]
    failed = len(clients.sent) - len(good) + len(clients.failed)
    half = sum(one.answer["score"] != scores[one.answer["version"]][one.question] for one in good)
    slowest = 1000 * max(one.end - one.begin for one in good)
    p99 = 1000 * quantile([one.end - one.begin for one in good], 0.99)
    rows = [
        ("answers", f"{len(good):,}"),
        ("failed", str(failed)),
        ("half-loaded", str(half)),
        ("unexplained by `outlast history`", str(strange)),
        ("seconds from giving a command to the first answer of its version, the gate included", spread(taken)),
        ("slowest answer, and p99, ms", f"{slowest:.0f}, {p99:.1f}"),
    ]
    held = not (failed or half or strange) and spans == CHANGES + 1
    return conclude(
        "promotions",
        found=table((f"{CHANGES} changes, {CLIENTS} clients without pause", "found"), rows),
        bar="0 failed, 0 half-loaded, every answer's version in `outlast history`.",
        held=held,
        machine=where("lightgbm", "polars", "uvicorn"),
    )


if __name__ == "__main__":
    sys.exit(main())
