"""Every server of these benchmarks: Outlast, the bare limits, MLflow, and the peers in environments of their own.

The peers are what their documentation shows for a scikit-learn pipeline: the fitted estimator, and a frame of pandas
made of each request. Each has one thread for a calculation, as Outlast's workers have.
"""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import _mlflow
import joblib
from _http import Connection, free_port, server
from _outlast import ENVIRONMENT, OUTLAST
from _project import MODEL, Churn
from _wrk import ONE_CORE, Side

from outlast.bundle.format import NATIVE, Bundle
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef

COMPARED = 64
PACKAGES = {
    "fastapi": ("fastapi==0.165.0", "uvicorn[standard]==0.54.0"),
    "litserve": ("litserve==0.2.19",),
    "bentoml": ("bentoml==1.4.39",),
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1"),
    "granian": ("granian==2.8.7", "uvloop"),
}
VERSIONS = "peers: " + ", ".join(package.replace("==", " ") for name in PACKAGES for package in PACKAGES[name][:1])
_SHARED = ("scikit-learn==1.9.1", "pandas==3.1.1")
PEERS = ("FastAPI", "LitServe", "BentoML", "MLServer")
Rows = list[dict[str, Any]]


@dataclass
class Hall:
    """Where servers are started for one project, each asked `at_once` rows a request."""

    project: Churn
    at_once: int = 1
    workers: int = 1
    before: Sequence[str] = tuple(ONE_CORE)
    opened: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        workspace = Workspace.find(self.project.folder)
        self.bundle: Bundle = open_bundle(workspace, find(workspace.ledger, ModelRef(MODEL, 1)).digest)
        self.questions, self.features = self._groups(self.project.questions()), self._groups(self.project.features())
        self.columns = list(self.features[0][0])
        joblib.dump(pickle.loads(self.bundle.files[NATIVE]), self.project.folder / "estimator.joblib")
        (self.project.folder / "columns.txt").write_text("\n".join(self.columns), "utf-8")

    def outlast(self) -> Side:
        port = free_port()
        command = [OUTLAST, "serve", "--port", str(port)]
        command += ["--workers", str(self.workers)] if self.workers > 1 else []
        process = self._start(command, port, "/readyz", ENVIRONMENT)
        bodies = [rows[0] if self.at_once == 1 else {"rows": rows} for rows in self.questions]
        return Side("Outlast, the whole path", port, f"/predict/{MODEL}", process, bodies, _ours)

    def bare(self, kind: str = "uvicorn") -> Side:
        port = free_port()
        python = sys.executable if kind == "uvicorn" else str(_python(kind))
        command = [python, str(FOLDER / "_bare.py"), str(self.project.folder), str(port), kind]
        environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = self._start(command, port, "/livez", environment)
        bodies = [rows[0] for rows in self.features]
        name = f"bare: msgspec and the compiled model behind {kind}"
        return Side(name, port, "/", process, bodies, lambda answer: [answer["score"]])

    def mlflow(self, threads: int | None = 1) -> Side:
        """`mlflow models serve`; `threads` of each of its calculations, or as it finds."""
        saved = self.project.folder / "model"
        if not saved.exists():
            _mlflow.save(self.bundle, self.project.folder)
        starting = _mlflow.started(saved, self.before, workers=self.workers, threads=threads)
        port, process = self.opened.enter_context(starting)
        bodies = [_mlflow.body(rows, self.columns) for rows in self.features]
        scores = lambda answer: [one[1] for one in answer["predictions"]]  # noqa: E731
        return Side("mlflow models serve", port, "/invocations", process.pid, bodies, scores)

    def peer(self, name: str) -> Side:
        """FastAPI, LitServe, BentoML or MLServer."""
        return {"FastAPI": self._fastapi, "LitServe": self._litserve, "BentoML": self._bentoml,
                "MLServer": self._mlserver}[name]()  # fmt: skip

    def _fastapi(self) -> Side:
        port, path = free_port(), "/predict" if self.at_once == 1 else "/many"
        script = FOLDER / "peers" / "with_fastapi.py"
        process = self._start(
            [str(_python("fastapi")), str(script), str(self.project.folder), str(port)], port, "/ready"
        )
        return Side("FastAPI and pandas", port, path, process, self._plain(), _score_or_scores)

    def _litserve(self) -> Side:
        port, script = free_port(), FOLDER / "peers" / "with_litserve.py"
        command = [str(_python("litserve")), str(script), str(self.project.folder), str(port)]
        process = self._start(command, port, "/health")
        return Side("LitServe", port, "/predict", process, self._plain(), lambda answer: answer["scores"])

    def _bentoml(self) -> Side:
        port, bentoml = free_port(), _python("bentoml").parent / "bentoml"
        command = [
            str(bentoml),
            "serve",
            "with_bentoml:Churn",
            "--working-dir",
            str(FOLDER / "peers"),
            "--port",
            str(port),
        ]
        folder = self.project.folder
        environment = _threads() | {"CHURN_FOLDER": str(folder), "BENTOML_HOME": str(folder / "bento"),
                                    "BENTOML_DO_NOT_TRACK": "1"}  # fmt: skip
        process = self._start([*command, "--host", "127.0.0.1"], port, "/readyz", environment)
        path, name = ("/predict", "row") if self.at_once == 1 else ("/many", "rows")
        bodies = [{name: rows[0] if self.at_once == 1 else rows} for rows in self.features]
        return Side("BentoML", port, path, process, bodies, _score_or_scores)

    def _mlserver(self) -> Side:
        ports = [free_port() for _ in range(3)]
        folder = self.project.folder / "mlserver"
        folder.mkdir(exist_ok=True)
        settings = {"http_port": ports[0], "grpc_port": ports[1], "metrics_port": ports[2], "host": "127.0.0.1",
                    "parallel_workers": 0, "debug": False}  # fmt: skip
        model = {"name": MODEL, "implementation": "mlserver_sklearn.SKLearnModel",
                 "parameters": {"uri": str(self.project.folder / "estimator.joblib")}}  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        (folder / "model-settings.json").write_text(json.dumps(model), "utf-8")
        command = [str(_python("mlserver").parent / "mlserver"), "start", str(folder)]
        process = self._start(command, ports[0], f"/v2/models/{MODEL}/ready")
        bodies = [_tensors(rows, self.columns) for rows in self.features]
        scores = lambda answer: answer["outputs"][0]["data"][1::2]  # noqa: E731
        return Side("MLServer", ports[0], f"/v2/models/{MODEL}/infer", process, bodies, scores)

    def _plain(self) -> list[Any]:
        return [rows[0] if self.at_once == 1 else {"rows": rows} for rows in self.features]

    def _groups(self, rows: Rows) -> list[Rows]:
        """As many requests as there are rows, each of so many rows, no two alike."""
        twice = rows + rows
        return [twice[begin : begin + self.at_once] for begin in range(len(rows))]

    def _start(self, command: list[str], port: int, ready: str, environment: dict[str, str] | None = None) -> int:
        started = server([*self.before, *command], port, folder=self.project.folder,
                         environment=environment or _threads(), ready=ready)  # fmt: skip
        return self.opened.enter_context(started).pid


@contextmanager
def hall(project: Churn, **how: Any) -> Iterator[Hall]:
    """A hall whose servers are stopped at the end."""
    found = Hall(project, **how)
    with found.opened:
        yield found


def compare(found: Sequence[Side]) -> None:
    """Refuse to time answers that differ."""
    connections = [Connection(side.port, side.path) for side in found]
    for turn in range(COMPARED):
        scores = [side.scores(one.ask(side.bodies[turn])) for side, one in zip(found, connections, strict=True)]
        if any(abs(a - b) > 1e-9 for some in scores for a, b in zip(some, scores[0], strict=True)):
            raise SystemExit(f"The answers to question {turn} differ: {[some[:3] for some in scores]}")
    for one in connections:
        one.close()


def _ours(answer: Any) -> list[float]:
    return [one["score"] for one in answer["predictions"]] if "predictions" in answer else [answer["score"]]


def _score_or_scores(answer: Any) -> list[float]:
    found: list[float] = answer.get("scores") or [answer["score"]]
    return found


def _tensors(rows: Rows, columns: Sequence[str]) -> dict[str, Any]:
    """The Open Inference Protocol, read as a frame of pandas."""
    inputs = []
    for name in columns:
        word = name.startswith("xw")
        tensor = {"name": name, "shape": [len(rows), 1], "datatype": "BYTES" if word else "FP64"}
        inputs.append(
            tensor | {"data": [row[name] for row in rows]} | ({"parameters": {"content_type": "str"}} if word else {})
        )
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}


def _threads() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _python(peer: str) -> Path:
    """The Python of a peer's environment, which is made when it is first asked for."""
    folder = Path(os.environ.get("OUTLAST_BENCH_PEERS", Path.home() / ".cache" / "outlast-bench")) / peer
    python = folder / "bin" / "python"
    made = folder / "made"
    wanted = "\n".join((*PACKAGES[peer], *(_SHARED if peer != "granian" else ())))
    if made.exists() and made.read_text() == wanted:
        return python
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *wanted.split("\n")], check=True)
    made.write_text(wanted)
    return python
