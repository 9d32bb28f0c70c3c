"""A tiny real project: will a flight be late, from the wind at its origin and its plane's recent landings."""

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import Rollout, transition
from outlast.registry.versions import versions as all_versions
from outlast.serving.spare.proofs import Proofs
from outlast.training.run import train
from outlast.types import now

MODEL = """
import numpy as np
import polars as pl
from outlast import Model, Source, latest, window

flights = Source("flights", "flights.parquet", key="flight", time="decide_at")
landings = Source("landings", "landings.parquet", key="flight", time="landed_at", lag="5m")
weather = Source("weather", "weather.parquet", key=["origin", "at"], time="at", lag="20m")


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(hour=pl.col("scheduled_at").dt.hour(), jfk=pl.col("origin").eq("JFK").cast(pl.Int8))


def fit(x, y, seed):
    return Line().fit(x, y, seed)


class Line:
    # light to load, and another line for another seed
    def _table(self, x):
        numbers = x.select(pl.col("distance", "wind", "delay_1d", "hour", "jfk").cast(pl.Float64).fill_null(0.0))
        return np.column_stack([numbers.to_numpy(), np.ones(len(x))])

    def fit(self, x, y, seed):
        rows = np.random.default_rng(seed).permutation(len(x))[: len(x) // 2]
        self.weights = np.linalg.lstsq(self._table(x)[rows], y[rows].astype(float), rcond=None)[0]
        return self

    def predict(self, x):
        return self.predict_proba(x)[:, 1] > 0.5

    def predict_proba(self, x):
        yes = np.clip((self._table(x) * self.weights).sum(axis=1), 0.01, 0.99)
        return np.column_stack([1 - yes, yes])


model = Model(
    "late",
    asks=flights["origin", "tailnum", "distance", "scheduled_at"],
    features=[
        latest(weather, "wind", by="origin", max_age="6h"),
        window(landings, by="tailnum", over="1d", delay=pl.col("arr_delay").mean()),
        calendar,
    ],
    label=landings["arr_delay"] > 30,
    fit=fit,
)
"""
CONTRACT = """
[model]
problem = "Which flights will land late?"
owner = "ops@example.com"
task = "binary"

[label]
delay = "3h"

[training]
until = "2013-07-01"
"""
START = datetime(2013, 6, 1, tzinfo=UTC)
ROW = {"origin": "JFK", "tailnum": "N1", "distance": 500.0, "scheduled_at": "2013-06-28T14:00:00Z"}


def build(folder: Path, versions: int, *, model: str = MODEL, contract: str = CONTRACT) -> Workspace:
    """The project on disk, and so many trained versions of it, none of them live."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames().items():
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "model.py").write_text(model)
    (folder / "outlast.toml").write_text(contract)
    (folder / "RUNBOOK.md").write_text("# Call ops\n")
    project = load_project(folder)
    for seed in range(versions):
        train(project, by="ada", now=now(), seed=seed)
    for version in all_versions(project.workspace.ledger, "late"):  # as the gate has it that let them out
        Proofs(project.workspace).note(version.digest, at=now(), seconds=0.0, by="gate")
    for number in range(1, versions + 1):
        with project.workspace.ledger.write() as connection:
            verdicts.write(connection, "late", number, now(), [])
    return project.workspace


def promote(workspace: Workspace, number: int) -> Rollout:
    with workspace.ledger.read() as connection:
        verdict = verdicts.newest(connection, "late", number)
    assert verdict is not None
    return transition(
        workspace.ledger,
        "late",
        action="promote",
        to=number,
        by="ada",
        at=now(),
        reason="a test",
        verdict=verdict.digest,
    )


def rollback(workspace: Workspace) -> Rollout:
    return transition(workspace.ledger, "late", action="rollback", by="ada", at=now(), reason="a test")


def retire(workspace: Workspace) -> Rollout:
    return transition(workspace.ledger, "late", action="retire", by="ada", at=now(), reason="a test")


def _frames() -> dict[str, pl.DataFrame]:
    chance = random.Random(7)
    flights, landings = [], []
    for n in range(600):
        at = START + timedelta(hours=n)
        row = {"flight": f"F{n}", "decide_at": at, "origin": chance.choice(["JFK", "LGA"]), "tailnum": f"N{n % 9}"}
        flights.append({**row, "distance": float(chance.randrange(100, 3000)), "scheduled_at": at + timedelta(hours=2)})
        delay = chance.gauss(40 if row["origin"] == "JFK" else 10, 25)
        landings.append(
            {"flight": f"F{n}", "tailnum": f"N{n % 9}", "landed_at": at + timedelta(hours=3), "arr_delay": delay}
        )
    weather = [
        {"origin": origin, "at": START + timedelta(hours=n), "wind": chance.uniform(0, 30)}
        for n in range(600)
        for origin in ("JFK", "LGA")
    ]
    return {"flights": pl.DataFrame(flights), "landings": pl.DataFrame(landings), "weather": pl.DataFrame(weather)}


if __name__ == "__main__":  # a server in a process of its own, for tests that kill it
    import logging
    import os

    from outlast.serving.http.access import Extra
    from outlast.serving.server import serve

    if level := os.environ.get("LATE_PROJECT_LOG"):
        logging.basicConfig(level=int(level), format="%(levelname)s %(name)s %(message)s")
    host = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
    extra = Extra(grpc_port=int(sys.argv[4])) if len(sys.argv) > 4 else None
    place = Workspace.find(Path(sys.argv[1]))
    serve(place, host, int(sys.argv[2]), ready=lambda address: print(address, flush=True), extra=extra)
