"""The peer: a version's own fitted estimator, saved and served as MLflow's documentation shows."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _http import free_port, server

from outlast.bundle.format import NATIVE, Bundle


def save(bundle: Bundle, folder: Path) -> Path:
    """The bundle's estimator in MLflow's scikit-learn flavour.

    No signature is given: checking one would cost MLflow time on every request.
    """
    import mlflow.sklearn

    fitted = pickle.loads(bundle.files[NATIVE])
    how = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle", "pip_requirements": []}
    mlflow.sklearn.save_model(fitted, str(folder / "model"), **how)
    return folder / "model"


@contextmanager
def serving(model: Path) -> Iterator[int]:
    """`mlflow models serve`, one worker, one thread for each calculation as ours has; gives its port."""
    with started(model, ()) as (port, _):
        yield port


@contextmanager
def started(
    model: Path, before: Sequence[str], *, workers: int = 1, threads: int | None = 1
) -> "Iterator[tuple[int, subprocess.Popen[bytes]]]":
    """The same, with words before the command, such as a processor to keep to; gives its process too."""
    port = free_port()
    bin_ = Path(sys.executable).parent
    command = [*before, str(bin_ / "mlflow"), "models", "serve", "-m", str(model), "-p", str(port), "-h", "127.0.0.1"]
    command += ["--env-manager", "local", "--workers", str(workers)]
    few = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    environment = {**os.environ, **few, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    with server(command, port, folder=model.parent, environment=environment, ready="/ping") as process:
        yield port, process


def body(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Rows as MLflow's documentation writes them."""
    return {"dataframe_split": {"columns": list(names), "data": [[row[name] for name in names] for row in rows]}}
