"""Measures one warm single-row answer of the flights model over HTTP, lookups included, beside `mlflow models serve`.

MLflow answers the same fitted estimator on rows whose features are already there: it looks nothing up, decides nothing
and keeps no journal. Both get the same questions in the same order, each from one kept connection, in rounds by turns.
"""

import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import _mlflow
from _flights import MODEL, Flights, flights
from _http import Connection, free_port, server
from _outlast import ENVIRONMENT, OUTLAST
from _report import conclude, quantile, spread, table, where

from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.handle import open_model
from outlast.types import ModelRef

COMPARED, WARM, ROUNDS, EACH, BAR = 300, 300, 20, 250, 5.0


@dataclass
class Side:
    """A server under measurement: its requests, ready to be sent, and what it took to answer them."""

    name: str
    connection: Connection
    requests: list[bytes]
    rounds: list[list[float]] = field(default_factory=list)

    def round(self, begin: int, count: int) -> list[float]:
        """The seconds that each of so many answers took."""
        taken = []
        for index in range(begin, begin + count):
            request = self.requests[index % len(self.requests)]
            since = time.perf_counter()
            status, _ = self.connection.send(request)
            taken.append(time.perf_counter() - since)
            if status != 200:
                raise SystemExit(f"{self.name} answered {status}")
        return taken

    @property
    def medians(self) -> list[float]:
        """The median of each round, in milliseconds."""
        return [1000 * median(one) for one in self.rounds]

    @property
    def p99(self) -> float:
        """The 99th percentile over all rounds, in milliseconds."""
        return 1000 * quantile([one for times in self.rounds for one in times], 0.99)


def computed(project: Flights, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The features of each question, as JSON can carry them."""
    handle = open_model(MODEL, project.folder)
    answers = handle.answers(questions)
    rows = [{**one.asks, **one.features} for one in answers]
    return [{n: v.isoformat() if isinstance(v, datetime) else v for n, v in row.items()} for row in rows]


def compare(ours: Connection, theirs: Connection, asked: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Refuse to time answers that differ."""
    for question, body in asked:
        mine, (chances,) = ours.ask(question)["score"], theirs.ask(body)["predictions"]
        if mine != chances[1]:
            raise SystemExit(f"The answers differ for {question}: {mine} here, {chances[1]} from MLflow")


def measure(project: Flights) -> list[Side]:
    """Both servers, measured by turns."""
    questions = project.questions()
    workspace = Workspace.find(project.folder)
    bundle = open_bundle(workspace, find(workspace.ledger, ModelRef.parse(f"{MODEL}@live")).digest)
    model = _mlflow.save(bundle, project.folder)
    features = computed(project, questions)
    bodies = [_mlflow.body([row], bundle.manifest["features"]) for row in features]
    port = free_port()
    command = [OUTLAST, "serve", "--port", str(port)]
    with (
        server(command, port, folder=project.folder, environment=ENVIRONMENT, ready="/readyz"),
        _mlflow.serving(model) as their_port,
    ):
        ours, theirs = Connection(port, f"/predict/{MODEL}"), Connection(their_port, "/invocations")
        compare(ours, theirs, list(zip(questions, bodies, strict=True))[:COMPARED])
        sides = [
            Side("outlast, lookups included", ours, [ours.request(one) for one in questions]),
            Side("MLflow, features given", theirs, [theirs.request(one) for one in bodies]),
        ]
        for side in sides:
            side.round(0, WARM)
        for turn in range(ROUNDS):
            for side in sides:
                side.rounds.append(side.round(turn * EACH, EACH))
    return sides


def main() -> int:
    with flights() as project:
        project.train()
        project.run("promote", MODEL, "--quiet")
        ours, theirs = measure(project)
    ratios = [slow / quick for slow, quick in zip(theirs.medians, ours.medians, strict=True)]
    rows = [(side.name, spread(side.medians), f"{side.p99:.2f}") for side in (ours, theirs)]
    rows.append(("times as fast", spread(ratios, "{:.1f}"), f"{theirs.p99 / ours.p99:.1f}"))
    found = table(("one row over HTTP, ms", f"p50 (least–greatest of {ROUNDS} rounds)", "p99"), rows)
    found += f"\n\nThe first {COMPARED} answers were compared, and are equal to the last bit."
    bar = f"p50 at least {BAR:.0f} times as fast as MLflow."
    packages = ("mlflow", "lightgbm", "scikit-learn", "polars", "pandas", "uvicorn")
    return conclude("answer", found=found, bar=bar, held=median(ratios) >= BAR, machine=where(*packages))


if __name__ == "__main__":
    sys.exit(main())
