"""Measures what is lost when workers of a server are killed fifty times: every answer must be kept, once."""

import json
import os
import random
import re
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
from _flights import MODEL, Flights, flights
from _http import Connection, free_port, server
from _outlast import ENVIRONMENT, OUTLAST
from _report import conclude, spread, table, where
from kills import CLIENTS, ROWS, Answered, faults

from outlast.journal.journal import seal
from outlast.project.workspace import Workspace

WORKERS, KILLS = 2, 50
LIVED = 1.2
"""Seconds a worker is given after it was ready: one that ends at once again and again is given pauses."""


class Client(threading.Thread):
    """Asks for several rows at a time, and comes again when its worker was killed; keeps what it was answered."""

    def __init__(self, port: int, questions: list[dict[str, Any]], count: threading.Semaphore) -> None:
        super().__init__()
        self.answered: Answered = {}
        self.refused = self.broken = 0
        self.done = threading.Event()
        self._port, self._count = port, count
        self._groups = [questions[n : n + ROWS] for n in range(0, len(questions) - ROWS, ROWS)]

    def run(self) -> None:
        number = 0
        while not self.done.is_set():
            try:
                connection = Connection(self._port, f"/predict/{MODEL}")
                while not self.done.is_set():
                    number += 1
                    body = {"rows": self._groups[number % len(self._groups)]}
                    status, answer = connection.send(connection.request(body))
                    self.refused += status != 200
                    for one in json.loads(answer).get("predictions", []):
                        self.answered[one["prediction_id"]] = one["score"]
                    self._count.release()
                connection.close()
            except ConnectionError:
                self.broken += 1


def ready(port: int) -> bool:
    """Whether all workers are."""
    return b" 200 " in get(port, "/readyz")[:32]


def get(port: int, path: str) -> bytes:
    """The whole answer; nothing where the worker that was asked is gone."""
    data = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as asking:
            asking.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            while part := asking.recv(65536):
                data += part
    except ConnectionError:
        return b""
    return data


def workers(process: int) -> list[int]:
    """The workers that run below a supervisor."""
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait(true: Any, seconds: float = 120) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("No worker took the place of one that was killed")
        time.sleep(0.01)


def kill_under_load(
    project: Flights, questions: list[dict[str, Any]], seal_now: Any
) -> tuple[list[Client], list[float], int]:
    """Kill workers while clients ask; gives them, the seconds until all were ready again, and what was counted."""
    chance, port, count = random.Random(13), free_port(), threading.Semaphore(0)
    command = [OUTLAST, "serve", "--port", str(port), "--workers", str(WORKERS)]
    took = []
    with server(command, port, folder=project.folder, environment=ENVIRONMENT, ready="/readyz") as process:
        clients = [Client(port, random.Random(n).sample(questions, 200), count) for n in range(2 * CLIENTS)]
        for client in clients:
            client.start()
        for turn in range(KILLS):
            time.sleep(LIVED + 0.3 * chance.random())
            for _ in range(20 + chance.randrange(50)):
                if not count.acquire(timeout=60):
                    raise SystemExit("The server stopped answering")
            before, begin = workers(process.pid), time.monotonic()
            os.kill(chance.choice(before), signal.SIGKILL)
            wait(lambda before=before: not set(workers(process.pid)) <= set(before))
            wait(lambda: ready(port))
            took.append(time.monotonic() - begin)
            if turn % 10 == 5:
                seal_now()
        for client in clients:
            client.done.set()
        for client in clients:
            client.join()
        said = get(port, "/metrics").decode()
    found = re.findall(r"^outlast_predictions_total\{[^}]*\} (\S+)$", said, re.MULTILINE)
    return clients, took, int(sum(map(float, found)))


def main() -> int:
    with flights() as project:
        project.train()
        project.run("promote", MODEL, "--quiet")
        questions, workspace = project.questions(), Workspace.find(project.folder)
        clients, took, counted = kill_under_load(project, questions, lambda: seal(workspace))
        seal(workspace)
        answered = {name: score for client in clients for name, score in client.answered.items()}
        wrong = {"refused": sum(client.refused for client in clients), **faults(workspace, answered)}
        kept = workspace.tables.scan(f"predictions/{MODEL}").select(pl.len()).collect().item()
        wrong["answered and not counted"] = max(0, len(answered) - counted)
        wrong["counted and not kept"] = max(0, counted - kept)
        spans = project.history()["served"]
        wrong["spans of the history left open"] = sum(one["until"] is None for one in spans)
        workspace.ledger.dispose()
    rows = [
        ("predictions answered", f"{len(answered):,}"),
        ("predictions kept (those more were written when their worker was killed, and not answered)", f"{kept:,}"),
        ("connections that broke", str(sum(client.broken for client in clients))),
        *((name, str(count)) for name, count in wrong.items()),
        ("seconds from a kill until all workers were ready", spread(took)),
    ]
    return conclude(
        "workers",
        found=table((f"{KILLS} times kill -9 of one of {WORKERS} workers under {2 * CLIENTS} clients", "found"), rows),
        bar="every answered prediction is in the journal, once, and counted; the history is closed.",
        held=not any(wrong.values()),
        machine=where("deltalake", "polars", "uvicorn"),
    )


if __name__ == "__main__":
    sys.exit(main())
