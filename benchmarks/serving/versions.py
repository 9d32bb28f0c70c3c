"""Measures what a further model costs a server: time until it answers, and memory, beside a bare load of its trees.

The model is that of the other benchmarks. Copies of it under other names are live in one workspace; a bare process
loads as many ONNX Runtime sessions of the same trees, and nothing else.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from _http import free_port
from _outlast import ENVIRONMENT, OUTLAST
from _project import MODEL, churn
from _report import conclude, spread, table, where

from outlast.bundle.format import Bundle, pack
from outlast.bundle.plan import TREES
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.registry.versions import find, register
from outlast.serving.spare.proofs import Proofs
from outlast.types import ModelRef, now

MANY, RUNS = 50, 3
BARE = """
import sys, onnxruntime
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
load = lambda: onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
kept = [load()]
one = resident()
kept += [load() for _ in range(int(sys.argv[2]) - 1)]
print((resident() - one) / (int(sys.argv[2]) - 1))
"""


def main() -> int:
    with churn() as project, tempfile.TemporaryDirectory() as scratch:
        trained = Workspace.find(project.folder)
        bundle = open_bundle(trained, find(trained.ledger, ModelRef(MODEL, 1)).digest)
        folders = {count: copies(bundle, Path(scratch) / str(count), count) for count in (1, MANY)}
        (Path(scratch) / "trees.onnx").write_bytes(bundle.files[TREES])
        runs = {count: [started(folder) for _ in range(RUNS)] for count, folder in folders.items()}
        first = []
        for _ in range(RUNS):
            for file in (folders[1] / ".outlast" / "serving" / "proven").glob("*"):
                file.unlink()
            first.append(started(folders[1])[0])
        bare = [bare_load(Path(scratch) / "trees.onnx") for _ in range(RUNS)]
    return _conclude(runs, first, bare)


def copies(bundle: Bundle, folder: Path, count: int) -> Path:
    """A workspace in which so many models are live, proven before."""
    folder.mkdir()
    (folder / "workspace.toml").write_text('name = "copies"\n', "utf-8")
    place = Workspace.find(folder)
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("format", "files")}
    for index in range(count):
        name = f"copy-{index:02}"
        files = {**bundle.files, "code/model.py": bundle.files["code/model.py"] + f"# {index}\n".encode()}
        digest = place.artifacts.put(pack({**manifest, "model": name}, files))
        register(place.ledger, name, digest=digest, code_digest=None, task="binary", summary={}, lineage={}, by="bench",
                 at=now())  # fmt: skip
        with place.ledger.write() as connection:
            verdict = verdicts.write(connection, name, 1, now(), [])
        transition(place.ledger, name, action="promote", to=1, by="bench", at=now(), verdict=verdict)
        Proofs(place).note(digest, at=now(), seconds=0.0, by="bench")
    place.ledger.dispose()
    return folder


def started(folder: Path) -> tuple[float, float]:
    """Seconds from the start of a server until it answers, and its megabytes then."""
    begin = time.perf_counter()
    command = [OUTLAST, "serve", "--port", str(free_port())]
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Answering"):
                break
        else:
            raise SystemExit(f"outlast serve ended: {''.join(said)}")
        took = time.perf_counter() - begin
        pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    return took, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def bare_load(trees: Path) -> float:
    """Megabytes of a further session."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(trees), str(MANY)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _conclude(runs: dict[int, list[tuple[float, float]]], first: list[float], bare: list[float]) -> int:
    times = {count: [one[0] for one in found] for count, found in runs.items()}
    memory = {count: [one[1] for one in found] for count, found in runs.items()}
    each = (median(memory[MANY]) - median(memory[1])) / (MANY - 1)
    slower = (median(times[MANY]) - median(times[1])) / (MANY - 1)
    told = table(
        ("one server", "seconds until it answers", "MB"),
        [
            ("one model, proven before", spread(times[1]), spread(memory[1], "{:.0f}")),
            ("one model, tried in a spare process first", spread(first), ""),
            (f"{MANY} models with code of their own", spread(times[MANY]), spread(memory[MANY], "{:.0f}")),
            ("each further one", f"{slower:.3f}", f"{each:.2f}"),
            ("bare: a further session of ONNX Runtime", "", spread(bare)),
        ],
    )  # fmt: skip
    bar = "a further compiled version takes at most 1.3 times a bare load and 5 MB."
    held = each <= 1.3 * median(bare) + 5
    return conclude(
        "versions", found=told, bar=bar, held=held, machine=where("onnxruntime", "polars"), page=FOLDER / "README.md"
    )


if __name__ == "__main__":
    sys.exit(main())
