"""A tiny real project whose asks are all numbers and whose label is one of three: which grade does a plank get."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.serving.spare.proofs import Proofs
from outlast.training.run import train
from outlast.types import now

MODEL = """
import numpy as np
import polars as pl
from outlast import Model, Source

planks = Source("planks", "planks.parquet", key="plank", time="at")
grades = Source("grades", "grades.parquet", key="plank", time="graded_at")


def fit(x, y, seed):
    return Centres().fit(x, y)


class Centres:
    def _table(self, x):
        return x.select(pl.all().cast(pl.Float64).fill_null(0.0)).to_numpy()

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        self.centres = np.stack([self._table(x)[y == one].mean(axis=0) for one in self.classes_])
        return self

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(axis=1)]

    def predict_proba(self, x):
        table = self._table(x)
        near = np.stack([1 / (1 + np.abs(table - one).sum(axis=1)) for one in self.centres], axis=1)
        return near / near.sum(axis=1)[:, None]


model = Model("grade", asks=planks["width", "length", "knots"], label=grades["grade"], fit=fit)
"""
CONTRACT = """
[model]
problem = "Which grade does a plank get?"
owner = "ops@example.com"
task = "multiclass"

[label]
delay = "1h"

[training]
until = "2024-01-15"
"""
START = datetime(2024, 1, 1, tzinfo=UTC)
CLASSES = ["coarse", "fine", "middling"]


def build(folder: Path) -> Workspace:
    """The project on disk, its one version live."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames().items():
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "model.py").write_text(MODEL)
    (folder / "outlast.toml").write_text(CONTRACT)
    (folder / "RUNBOOK.md").write_text("# Call ops\n")
    project = load_project(folder)
    version = train(project, by="ada", now=now(), seed=1).version
    Proofs(project.workspace).note(version.digest, at=now(), seconds=0.0, by="gate")
    ledger = project.workspace.ledger
    with ledger.write() as connection:
        verdicts.write(connection, "grade", 1, now(), [])
    with ledger.read() as connection:
        verdict = verdicts.newest(connection, "grade", 1)
    assert verdict is not None
    transition(ledger, "grade", action="promote", to=1, by="ada", at=now(), reason="a test", verdict=verdict.digest)
    return project.workspace


def _frames() -> dict[str, pl.DataFrame]:
    chance = random.Random(5)
    planks, grades = [], []
    for n in range(300):
        at = START + timedelta(hours=n)
        knots = chance.randrange(9)
        length = None if n % 10 == 0 else round(chance.uniform(1, 6), 3)
        planks.append(
            {"plank": n, "at": at, "width": round(chance.uniform(5, 30), 3), "length": length, "knots": knots}
        )
        grade = "fine" if knots < 3 else "middling" if knots < 6 else "coarse"
        grades.append({"plank": n, "graded_at": at + timedelta(minutes=30), "grade": grade})
    return {"planks": pl.DataFrame(planks), "grades": pl.DataFrame(grades)}
