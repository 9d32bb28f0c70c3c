"""Where a version comes from: code, data, features, environment, machine, seed, threads, and what making it cost."""

import os
import platform
import resource
import sys
import time
from datetime import datetime
from typing import Any

import numpy as np

from outlast.bundle.build import own_build
from outlast.bundle.estimator import Floats
from outlast.bundle.machine import environment, here, memory, processor
from outlast.project.declare import Lookup, Model, digest_of_part
from outlast.project.loader import Project
from outlast.project.workspace import Workspace
from outlast.training.commit import committed
from outlast.training.dataset import Dataset
from outlast.training.snapshot import Mask, keep
from outlast.types import digest_of


def lineage_of(project: Project, *, seed: int, threads: int) -> dict[str, Any]:
    """What can be said of a run's origin before it starts."""
    return {
        "code": {"digest": project.code.digest, **committed(project.folder, project.workspace.packages)},
        "features": features_of(project.model),
        **({} if project.period is None else {"period": project.period.to_json()}),
        "seed": seed,
        "threads": threads,
        "python": platform.python_version(),
        "environment": {"digest": here()["environment"], "packages": len(environment().splitlines())},
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory": memory(),
        },
    }


def kept_with(project: Project, dataset: Dataset, split: tuple[Mask, Mask], answers: Floats) -> dict[str, Any]:
    """What a version keeps so that it can be made again: its training set and the build of Outlast, by digest.

    The digest of the answers on the test rows says whether another training is the same.
    """
    workspace = project.workspace
    snapshot = keep(workspace, project.model, dataset, split)
    name, wheel = own_build()
    return {
        "snapshot": snapshot.table,
        "training_set": snapshot.lineage(),
        "builds": {"outlast": {"file": name, "artifact": workspace.artifacts.put(wheel), "bytes": len(wheel)}},
        "answers": digest_of_answers(answers),
    }


def digest_of_answers(table: Floats) -> str:
    """What tells one set of answers from another, to the last bit."""
    return digest_of(np.ascontiguousarray(table, dtype=np.float64).tobytes())


def features_of(model: Model) -> list[dict[str, Any]]:
    """Every lookup and function of a model by the digest of what it computes."""
    found: list[dict[str, Any]] = []
    for part in model.parts:
        if isinstance(part, Lookup):
            about = {
                "kind": part.kind,
                "source": part.source.name,
                "by": list(part.entity),
                "columns": list(part.names),
            }
            found.append({**about, "digest": part.digest})
        else:
            found.append({"kind": "function", "name": part.__name__, "digest": digest_of_part(part)})
    return found


class Cost:
    """What a run takes; it goes into the ledger, not into the bundle, whose bytes are the same every time."""

    def __init__(self, started: datetime) -> None:
        self._started = started
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def so_far(self, workspace: Workspace, lineage: dict[str, Any], bundle: int) -> dict[str, Any]:
        """When it began, seconds, seconds of CPU, and bytes: at the most in memory, of the bundle and of the rows."""
        return {
            "started_at": self._started.isoformat(),
            "seconds": round(time.perf_counter() - self._wall, 3),
            "cpu_seconds": round(_cpu_seconds() - self._cpu, 3),
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT,
            "bundle_bytes": bundle,
            "snapshot_bytes": workspace.tables.size(lineage["snapshot"]),
        }


_UNIT = 1 if sys.platform == "darwin" else 1024


def _cpu_seconds() -> float:
    """Of this process and of those it has started and seen end."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
