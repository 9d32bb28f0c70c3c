"""A version's way from bundle to ledger to mirror, killed at every step, and what the next start makes of it."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

STEPS = (
    "outlast.storage.artifacts.Artifacts.put",
    "outlast.registry.versions.hold",
    "outlast.registry.audit.trail._note",
    "outlast.registry.audit.telling.kept",
    "outlast.registry.verdicts.write",
    "outlast.registry.rollout.changing._write",
    "outlast.registry.background.mirror_later",
    "outlast.registry.mlflow_side.Side._open_experiment",
    "outlast.registry.mlflow_side.Side._open_registered",
    "outlast.registry.mlflow_side.Side._run",
    "outlast.registry.mlflow_side.Side._fill",
    "outlast.registry.mlflow_side.Side._register",
    "outlast.registry.mirror._Mirror._keep",
    "outlast.registry.mlflow_side.Side.point",
)
"""In the order in which they are come by; each is killed before and after it."""

LIFE = """
import importlib, json, os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from outlast.bundle.format import pack
from outlast.errors import Conflict
from outlast.project.workspace import Workspace
from outlast.registry import audit, background, mirror, verdicts
from outlast.registry.mlflow_side import connect, quietly
from outlast.registry.rollout import changing, current, transition, transitions
from outlast.registry.versions import register, versions
from outlast.settings import Settings

folder, step, when = sys.argv[1:]
place, at = Workspace(Path(folder), settings=Settings()), datetime(2024, 1, 1, tzinfo=UTC)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if step:
    parts = step.split(".")
    owner = importlib.import_module(".".join(parts[: -2 if parts[-2][:1].isupper() or parts[-2][:2] == "_M" else -1]))
    for name in parts[len(owner.__name__.split(".")) : -1]:
        owner = getattr(owner, name)
    done = getattr(owner, parts[-1])
    def killed(*given, **more):
        if when == "after":
            done(*given, **more)
        die()
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("outlast") and vars(module).get(parts[-1]) is done:
            setattr(module, parts[-1], killed)
    setattr(owner, parts[-1], killed)
else:
    mirror.now = lambda: datetime.now(UTC) + timedelta(seconds=mirror.LEASE_SECONDS + 1)  # a dead process's has run out

background._start = lambda root: None
digest = place.artifacts.put(pack({"model": "late"}, {"environment.txt": b"outlast==0.1.0\\n"}))
summary = {"metrics": {"roc_auc": {"value": 0.7, "low": 0.6, "high": 0.8}}, "rows": {"train": 8, "test": 2}}
register(place.ledger, "late", digest=digest, code_digest=None, task="binary", summary=summary, lineage={}, by="ada",
         at=at)
with place.ledger.write() as connection:
    verdict = verdicts.write(connection, "late", 1, at, [])
try:
    transition(place.ledger, "late", action="promote", to=1, verdict=verdict, by="ada", at=at)
except Conflict:
    pass
background.mirror_later(place, "late")
done = mirror.mirror(place, "late")
with quietly():
    client = connect(place.mlflow_uri)
    found = client.search_model_versions("name = 'late'")
    runs = client.search_runs([client.get_experiment_by_name("late").experiment_id])
    aliases = {name: int(number) for name, number in client.get_registered_model("late").aliases.items()}
broken = audit.verify(place.ledger)
print(json.dumps({
    "versions": [one.number for one in versions(place.ledger, "late")],
    "live": current(place.ledger, "late").live, "steps": len(transitions(place.ledger, "late")),
    "entries": len(audit.entries(place.ledger)), "trail": None if broken is None else broken.sentence,
    "mirrored": sorted(int(one.version) for one in found), "runs": [run.info.status for run in runs],
    "aliases": aliases, "failed": len(mirror.failures(place.ledger)),
}))
place.ledger.dispose()
"""


EMPTY = """
import sys
from outlast.registry.mlflow_side import connect, quietly
with quietly():
    connect(f"sqlite:///{sys.argv[1]}").search_experiments()
"""


def begun(folder: Path, empty: Path) -> Path:
    """A workspace whose MLflow has its schema, which takes seconds to make."""
    (folder / ".outlast").mkdir(parents=True)
    shutil.copyfile(empty, folder / ".outlast" / "mlflow.db")
    return folder


def lived(folder: Path, step: str = "", when: str = "") -> subprocess.CompletedProcess[str]:
    """One life of a version, killed at a step or to its end."""
    command = [sys.executable, "-W", "ignore", "-c", LIFE, str(folder), step, when]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    if done.returncode:
        raise SystemExit(f"A life without a kill failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def crashes() -> tuple[int, list[str]]:
    """How many kills there were, and after which ones the next start was not whole."""
    kills, wrong = 0, []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        empty = root / "empty.db"
        subprocess.run([sys.executable, "-W", "ignore", "-c", EMPTY, str(empty)], check=True, timeout=300)
        whole = outcome(lived(begun(root / "whole", empty)))
        for step in STEPS:
            for when in ("before", "after"):
                folder = begun(root / "killed", empty)
                done = lived(folder, step, when)
                if done.returncode != -signal.SIGKILL:
                    raise SystemExit(f"{step} was never come by: {done.stderr[-2000:]}")
                kills += 1
                found = outcome(lived(folder))
                if found != whole:
                    wrong.append(f"{when} {step.rpartition('.')[2]}: {found}")
                shutil.rmtree(folder)
    return kills, wrong
