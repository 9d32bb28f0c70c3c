"""Measures single rows over HTTP, one worker on one core and wrk on the other: Outlast, MLflow, and the bare limit.

Outlast does its whole path: validation, one lookup of 20 values, a function of 13 expressions, model, journal, metrics. The
others get the thirteen columns that the estimator reads. All answers of the first 64 questions are compared before.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import _mlflow
from _http import Connection, free_port, server
from _project import ENVIRONMENT, MODEL, OUTLAST, Churn, churn
from _report import conclude, spread, table, where

from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef

COMPARED, SECONDS, RUNS = 64, 3, 3
CONNECTIONS = (64, 16, 1)
PINNED = ["taskset", "-c", "0"] if shutil.which("taskset") else []
ROTATE = """
local lines = {}
for line in io.lines("%s") do lines[#lines + 1] = line end
local turn = 0
request = function()
  turn = turn %% #lines + 1
  return wrk.format("POST", "%s", {["Content-Type"] = "application/json"}, lines[turn])
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk says of a run."""

    a_second: float
    p50: float
    p99: float
    cpu: float
    """Microseconds of the server's processor for each answer."""


@dataclass
class Side:
    """A server under measurement."""

    name: str
    port: int
    path: str
    process: int
    bodies: list[Any]
    score: Callable[[Any], float]
    runs: dict[int, list[Load]]

    def measure(self, script: Path, connections: int) -> None:
        """One run of wrk."""
        command = ["taskset", "-c", "1"] if PINNED else []
        command += ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script)]
        before = _cpu(self.process)
        said = subprocess.run([*command, f"http://127.0.0.1:{self.port}"], capture_output=True, text=True, check=True)
        spent = _cpu(self.process) - before
        if "Non-2xx" in said.stdout:
            raise SystemExit(f"{self.name} refused requests:\n{said.stdout}")
        answered = int(re.search(r"(\d+) requests in", said.stdout)[1])  # type: ignore[index]
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said.stdout)[1])  # type: ignore[index]
        times = [_milliseconds(said.stdout, share) for share in ("50%", "99%")]
        self.runs.setdefault(connections, []).append(Load(rate, *times, spent / max(1, answered) * 1e6))


def _milliseconds(said: str, share: str) -> float:
    found = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", said)
    if found is None:
        raise SystemExit(f"wrk did not say its {share}:\n{said}")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def _cpu(process: int) -> float:
    """Seconds of processor that a process and its children took."""
    total = 0.0
    for one in (process, *_children(process)):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _children(process: int) -> Iterator[int]:
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout.split()
    for one in map(int, found):
        yield one
        yield from _children(one)


@contextmanager
def sides(project: Churn) -> Iterator[list[Side]]:
    """Every server, running."""
    questions, features = project.questions(), project.features()
    with ExitStack() as opened:
        found = []
        port = free_port()
        command = [*PINNED, OUTLAST, "serve", "--port", str(port)]
        process = opened.enter_context(
            server(command, port, folder=project.folder, environment=ENVIRONMENT, ready="/readyz")
        )
        path = f"/predict/{MODEL}"
        found.append(Side("Outlast, the whole path", port, path, process.pid, questions, lambda a: a["score"], {}))
        port = free_port()
        command = [*PINNED, sys.executable, str(FOLDER / "_bare.py"), str(project.folder), str(port)]
        process = opened.enter_context(
            server(command, port, folder=project.folder, environment=ENVIRONMENT, ready="/livez")
        )
        found.append(Side("bare: msgspec and the compiled model behind uvicorn", port, "/", process.pid, features,
                          lambda a: a["score"], {}))  # fmt: skip
        workspace = Workspace.find(project.folder)
        bundle = open_bundle(workspace, find(workspace.ledger, ModelRef(MODEL, 1)).digest)
        saved = _mlflow.save(bundle, project.folder)
        names = list(features[0])
        bodies = [_mlflow.body(row, names) for row in features]
        theirs, process = opened.enter_context(_mlflow.started(saved, PINNED))
        found.append(Side("mlflow models serve", theirs, "/invocations", process.pid, bodies,
                          lambda a: a["predictions"][0][1], {}))  # fmt: skip
        yield found


def compare(found: list[Side]) -> None:
    """Refuse to time answers that differ."""
    connections = [Connection(side.port, side.path) for side in found]
    for turn in range(COMPARED):
        scores = [side.score(one.ask(side.bodies[turn])) for side, one in zip(found, connections, strict=True)]
        if max(scores) - min(scores) > 1e-9:
            raise SystemExit(f"The answers to question {turn} differ: {scores}")
    for one in connections:
        one.close()


def main() -> int:
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk: apt-get install wrk")
    with churn() as project, sides(project) as found, tempfile.TemporaryDirectory() as scratch:
        compare(found)
        scripts = []
        for place, side in enumerate(found):
            bodies = Path(scratch, f"{place}.jsonl")
            bodies.write_text("\n".join(json.dumps(body) for body in side.bodies), "utf-8")
            scripts.append(Path(scratch, f"{place}.lua"))
            scripts[-1].write_text(ROTATE % (bodies, side.path), "utf-8")
        for _ in range(RUNS):
            for connections in CONNECTIONS:
                for side, script in zip(found, scripts, strict=True):
                    side.measure(script, connections)
    rows = [
        (f"{side.name}, {count} connections", spread([one.a_second for one in loads], "{:,.0f}"),
         spread([one.p50 for one in loads]), spread([one.p99 for one in loads]), spread([one.cpu for one in loads], "{:,.0f}"))
        for count in CONNECTIONS
        for side in found
        for loads in [side.runs[count]]
    ]  # fmt: skip
    ours, bare, mlflow = ({c: median(one.a_second for one in side.runs[c]) for c in CONNECTIONS} for side in found)
    quick = {c: median(one.p50 for one in found[0].runs[c]) for c in (1,)}[1]
    slow = median(one.p50 for one in found[2].runs[1])
    ratios = [(f"{c} connections", f"{ours[c] / bare[c]:.2f}", f"{ours[c] / mlflow[c]:.1f}") for c in CONNECTIONS]
    told = table(("server", "answers a second", "p50 ms", "p99 ms", "CPU µs an answer"), rows)
    told += "\n\n" + table(("Outlast's answers a second", "of the bare limit's", "times MLflow's"), ratios)
    told += f"\n\nOne connection: p50 is 1/{slow / quick:.1f} of MLflow's."
    held = all(ours[c] >= 0.5 * bare[c] and ours[c] >= 40 * mlflow[c] for c in (64, 16)) and slow >= 6 * quick
    bar = "at 64 and 16 connections half the bare limit's answers and 40 times MLflow's; at one, a sixth of MLflow's p50."
    packages = ("mlflow", "scikit-learn", "onnxruntime", "polars", "uvicorn", "msgspec")
    return conclude("rows", found=told, bar=bar, held=held, machine=where(*packages), page=FOLDER / "README.md")


if __name__ == "__main__":
    sys.exit(main())
