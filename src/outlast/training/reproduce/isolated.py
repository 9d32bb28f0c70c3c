"""Fitting in a process of its own, in a folder of its own, with nothing but what was kept."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from outlast.bundle.estimator import Floats
from outlast.errors import TrainingError
from outlast.training.reproduce import worker
from outlast.training.reproduce.inputs import Inputs, Kept

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TZ")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of a fit: digests of the model's file and of its answers, or why nothing did."""

    model: str = ""
    answers: str = ""
    features: int = 0
    moved: dict[str, int] = field(default_factory=dict)
    table: Floats | None = None
    error: str | None = None

    def same(self, other: "Outcome") -> bool:
        """Whether both came out, and alike to the last bit."""
        return self.error is None and other.error is None and self._bits == other._bits

    @property
    def _bits(self) -> tuple[str, str]:
        return self.model, self.answers


def fit_apart(kept: Kept, inputs: Inputs, python: Path, closed: list[Path]) -> Outcome:
    """Fit from these inputs by another Python, which cannot read the closed folders or the network."""
    with tempfile.TemporaryDirectory(prefix="outlast-again-") as scratch:
        folder = Path(scratch)
        _write(folder, kept, inputs, closed)
        command = [str(python), "-I", "-m", worker.__name__, str(folder)]
        environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environ |= {"HOME": scratch, "TMPDIR": scratch, "MLFLOW_TRACKING_URI": "off"}
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode or not (folder / worker.RESULT).exists():
            raise TrainingError(
                f"{kept.version} could not be fitted in a process of its own, which ended with {done.returncode}: "
                f"{_last(done.stderr)}"
            )
        return _read(folder)


def _write(folder: Path, kept: Kept, inputs: Inputs, closed: list[Path]) -> None:
    for name, content in inputs.code.files.items():
        place = folder / worker.CODE / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    inputs.data.typed.write_parquet(folder / worker.ROWS)
    job = {"format": 1, "task": kept.task, "classes": kept.classes, "seed": inputs.seed, "threads": inputs.threads}
    more = {"parameters": dict(inputs.parameters), "closed": [str(place) for place in closed]}
    (folder / worker.JOB).write_text(json.dumps({**job, **more}), "utf-8")


def _read(folder: Path) -> Outcome:
    found = json.loads((folder / worker.RESULT).read_text("utf-8"))
    if "error" in found:
        return Outcome(error=found["error"])
    table = np.load(folder / worker.ANSWERS)
    return Outcome(found["model"], found["answers"], found["features"], found["moved"], table)


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
