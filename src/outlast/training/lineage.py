"""Where a version comes from: code, environment, machine, seed, threads."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from outlast.bundle.machine import processor
from outlast.data.sources import shown
from outlast.errors import OutlastError
from outlast.project.declare import Source
from outlast.project.loader import Project, load_project
from outlast.project.workspace import Workspace
from outlast.registry.declarations import folder_of
from outlast.registry.versions import Version


def lineage_of(project: Project, *, seed: int, threads: int) -> dict[str, Any]:
    """What can be said of a run's origin before it starts."""
    return {
        "code": {"digest": project.code.digest, **_git(project.folder)},
        "seed": seed,
        "threads": threads,
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
        },
    }


def moved(workspace: Workspace, version: Version) -> dict[str, str | None]:
    """The sources that lie elsewhere now than when a version was trained, and where; None for one no longer declared.

    This reads the project's model.py as it is now; where the project is not here or cannot be read, nothing is known.
    """
    folder = folder_of(workspace, version.model)
    if folder is None:
        return {}
    try:
        project = load_project(folder, workspace)
    except OutlastError:
        return {}
    now = {source.name: _place(project, source) for source in project.model.sources}
    then = {name: found.get("location") for name, found in version.summary["sources"].items()}
    return {name: now.get(name) for name, place in then.items() if now.get(name) != place}


def _place(project: Project, source: Source) -> str:
    place = shown(project.workspace.location(source, project.folder))
    within = Path(place).is_relative_to(project.folder)
    return Path(place).relative_to(project.folder).as_posix() if within else place


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
