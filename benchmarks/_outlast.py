"""A folder in which commands of outlast are run."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUTLAST = str(Path(sys.executable).parent / "outlast")
ENVIRONMENT = {**os.environ, "MLFLOW_TRACKING_URI": "off"}
"""No mirror in the background: it would take the processor from what is measured."""


@dataclass(frozen=True)
class Project:
    """A project that is measured."""

    folder: Path

    def run(self, *command: str) -> str:
        """What `outlast …` prints in this folder; its complaint ends the benchmark."""
        done = subprocess.run([OUTLAST, *command], cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"outlast {' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def said(self, *command: str) -> Any:
        """What a command says as JSON."""
        return json.loads(self.run(*command, "--json"))
