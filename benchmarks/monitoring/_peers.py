"""Peers in environments of their own, made by uv when they are first asked for."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PACKAGES = {
    "river": ("river==0.26.1",),
    "evidently": ("evidently==0.7.23", "pandas<3", "pyarrow"),
    "nannyml": ("nannyml==0.13.1", "pandas<3", "statsmodels", "pyarrow"),
}
VERSIONS = "peers: " + ", ".join(packages[0].replace("==", " ") for packages in PACKAGES.values())


def ask(peer: str, question: dict[str, Any], *, script: str = "") -> Any:
    """What the peer's script says: a file of JSON in, one out."""
    with tempfile.TemporaryDirectory() as name:
        asked, told = Path(name) / "asked.json", Path(name) / "told.json"
        asked.write_text(json.dumps(question), "utf-8")
        program = FOLDER / "peers" / f"with_{script or peer}.py"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DO_NOT_TRACK": "1",
                       "NML_DISABLE_USAGE_LOGGING": "1"}  # fmt: skip
        done = subprocess.run([str(python(peer)), "-W", "ignore", str(program), str(asked), str(told)], check=False,
                              capture_output=True, text=True, env=environment)  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{peer} failed: {done.stderr[-2000:]}")
        return json.loads(told.read_text("utf-8"))


def python(peer: str) -> Path:
    """The Python of a peer's environment."""
    folder = Path(os.environ.get("OUTLAST_BENCH_PEERS", Path.home() / ".cache" / "outlast-bench")) / peer
    made, wanted = folder / "made", "\n".join(PACKAGES[peer])
    if not made.exists() or made.read_text("utf-8") != wanted:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *PACKAGES[peer]],
                       check=True)  # fmt: skip
        made.write_text(wanted, "utf-8")
    return folder / "bin" / "python"
