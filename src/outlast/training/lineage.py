"""Where a version comes from: code, environment, machine, seed, threads."""

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from outlast.project.loader import Project


def lineage_of(project: Project, *, seed: int, threads: int) -> dict[str, Any]:
    """What can be said of a run's origin before it starts."""
    return {
        "code": {"digest": project.code.digest, **_git(project.folder)},
        "seed": seed,
        "threads": threads,
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
    }


def environment() -> str:
    """Every installed distribution, one requirement a line."""
    found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions() if d.metadata["Name"]}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def _git(folder: Path) -> dict[str, Any]:
    """The commit, and whether something is not committed; nothing where there is no repository."""
    commit = _run(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "changed": None}
    changed = _run(folder, "status", "--porcelain", "--", ".")
    return {"commit": commit, "changed": (changed or "").splitlines()}


def _run(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip() if done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
