"""Measures what is lost when the server is killed twenty times while it writes: every answer must be kept, once."""

import json
import os
import random
import signal
import sys
import threading
import time
from typing import Any

import polars as pl
from _flights import MODEL, Flights, flights
from _http import Connection, free_port, server
from _outlast import ENVIRONMENT, OUTLAST
from _report import conclude, spread, table, where

from outlast.journal import reading
from outlast.journal.journal import seal
from outlast.project.workspace import Workspace

KILLS, CLIENTS, ROWS = 20, 3, 5
Answered = dict[str, float]


class Client(threading.Thread):
    """Asks for several rows at a time until the server is gone; keeps what it was answered."""

    def __init__(self, port: int, questions: list[dict[str, Any]], count: threading.Semaphore) -> None:
        super().__init__()
        self.answered: Answered = {}
        self.refused = 0
        self._count = count
        self._connection = Connection(port, f"/predict/{MODEL}")
        groups = [questions[n : n + ROWS] for n in range(0, len(questions) - ROWS, ROWS)]
        self._requests = [self._connection.request({"rows": group}) for group in groups]

    def run(self) -> None:
        number = 0
        try:
            while True:
                status, answer = self._connection.send(self._requests[number % len(self._requests)])
                self.refused += status != 200
                for one in json.loads(answer).get("predictions", []):
                    self.answered[one["prediction_id"]] = one["score"]
                self._count.release()
                number += 1
        except ConnectionError:
            return  # the server was killed, as it should be


def ask_until_killed(project: Flights, questions: list[dict[str, Any]], enough: int) -> tuple[Answered, int, float]:
    """What a server answered before it was killed, how much it refused, and the seconds it took to start."""
    port, count = free_port(), threading.Semaphore(0)
    begin = time.monotonic()
    command = [OUTLAST, "serve", "--port", str(port)]
    with server(command, port, folder=project.folder, environment=ENVIRONMENT, ready="/readyz") as process:
        started = time.monotonic() - begin
        clients = [Client(port, random.Random(n).sample(questions, 200), count) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(enough):
            if not count.acquire(timeout=60):
                raise SystemExit("The server stopped answering before it was killed")
        os.killpg(process.pid, signal.SIGKILL)
        for client in clients:
            client.join()
        process.wait()
    answered = {name: score for client in clients for name, score in client.answered.items()}
    return answered, sum(client.refused for client in clients), started


def faults(workspace: Workspace, answered: Answered) -> dict[str, int]:
    """What the sealed journal lacks, has twice, says otherwise, or has in part."""
    kept = workspace.tables.scan(f"predictions/{MODEL}").collect()
    scores = dict(zip(kept["prediction_id"], kept["score"], strict=True))
    whole = kept.group_by("request_id").len()["len"]
    seen = reading.predictions(workspace, MODEL).collect().height
    waiting = len(list((workspace.log_root / "predictions" / MODEL).iterdir()))
    return {
        "answered and not kept": len(answered.keys() - scores.keys()),
        "kept twice": kept.height - len(scores),
        "kept with another score": sum(scores.get(name) != score for name, score in answered.items()),
        "rows half-written": kept.filter(pl.any_horizontal(pl.col("asks", "features", "cells").is_null())).height,
        "requests half-written": int((whole != ROWS).sum()),
        "left unsealed": abs(seen - kept.height) + waiting,
    }


def main() -> int:
    chance = random.Random(11)
    answered: Answered = {}
    starts, refused = [], 0
    with flights() as project:
        project.train()
        project.run("promote", MODEL, "--quiet")
        questions, workspace = project.questions(), Workspace.find(project.folder)
        for turn in range(KILLS):
            found, no, started = ask_until_killed(project, questions, 50 + chance.randrange(100))
            answered |= found
            refused += no
            starts.append(started)
            if turn % 2:
                seal(workspace)
        seal(workspace)
        wrong = {"refused": refused, **faults(workspace, answered)}
        kept = workspace.tables.scan(f"predictions/{MODEL}").select(pl.len()).collect().item()
        workspace.ledger.dispose()
    rows = [
        ("predictions answered", f"{len(answered):,}"),
        ("predictions kept (the last of each server were written but not answered any more)", f"{kept:,}"),
        *((name, str(count)) for name, count in wrong.items()),
        ("seconds from start to ready after a kill", spread(starts)),
    ]
    return conclude(
        "kills",
        found=table((f"{KILLS} times kill -9 while {CLIENTS} clients send {ROWS} rows at a time", "found"), rows),
        bar="every answered prediction is in the journal, once; nothing is half-written.",
        held=not any(wrong.values()),
        machine=where("deltalake", "polars", "uvicorn"),
    )


if __name__ == "__main__":
    sys.exit(main())
