"""Make this release's part of the corpus: `python tests/compat/make.py`, once, just before a release goes out.

It writes tests/compat/<release>/: a project with its workspace after a short life, and what its version answered then.
A later release must read all of it (test_corpus.py), so a folder is never made again once its release is out.

Moments, names and ids are fixed, and the model is plain Python, so that only Outlast's own formats are at stake. Two
runs differ in what Delta Lake names by chance and in what the bundle says of the machine, not in content.
"""

import json
import shutil
import socket
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed
from pathlib import Path
from unittest.mock import patch

import msgspec

from outlast.bundle.predictor import Predictor, open_predictor
from outlast.gates.promote import promote
from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.storage import segments
from outlast.training.run import train
from outlast.types import ModelRef, micros

HERE = Path(__file__).parent
START = datetime(2024, 1, 1, tzinfo=UTC)
TRAINED, ANSWERED = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 1, 12, tzinfo=UTC)
KEPT = ("ledger.db", "fresh.db", "artifacts", "tables/predictions", "tables/labels", "tables/facts", "log")

MODEL = '''import polars as pl
from outlast import Model, Source, latest, window

orders = Source("orders", "data/orders.csv", key="order_id", time="ordered_at")
deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="5m")


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(hour=pl.col("ordered_at").dt.hour())


class Rule:
    """A model that needs no library: later releases test Outlast's formats with it and nothing else."""

    def predict(self, x):
        rows = x.select("weight", "late_3d", "hour").rows()
        return [min(0.96875, weight / 16 + (late or 0.0) / 2 + hour / 256) for weight, late, hour in rows]


def fit(x, y, seed):
    return Rule()


model = Model(
    "late-orders",
    asks=orders["shop", "weight", "coupon", "ordered_at"],
    features=[
        window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean(), many=pl.len()),
        latest(deliveries, last_late="late", last_at="delivered_at", by="shop", max_age="20d"),
        calendar,
    ],
    label=deliveries["late"] == True,
    fit=fit,
)
'''

CONTRACT = """[model]
problem = "Which orders will arrive late?"
owner = "orders@example.com"

[value]
currency = "EUR"
payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }

[label]
delay = "1d"

[training]
threads = 1

[serving]
p99 = "50ms"
rate = 10
ladder = ["full", "default", "refuse"]
defaults = { decision = "wait" }

[retraining]
policy = "approval"
"""

WORKSPACE = '[environments.staging.sources]\norders = "data/orders.csv"\n'


def write_project(folder: Path) -> None:
    """Two hundred orders of two shops; the heavier one is, the likelier it is late."""
    asked, told = ["order_id,ordered_at,shop,weight,coupon"], ["order_id,shop,delivered_at,late"]
    for index in range(200):
        at, shop, weight = START + timedelta(hours=7 * index), ("north", "south")[index % 2], (index * 7 % 32) / 4
        asked.append(f"{index},{at.isoformat()},{shop},{weight},{'A' if index % 3 else ''}")
        late = weight + 3 * (index % 5 == 0) > 5
        told.append(f"{index},{shop},{(at + timedelta(hours=20)).isoformat()},{str(late).lower()}")
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "orders.csv").write_text("\n".join(asked) + "\n")
    (folder / "data" / "deliveries.csv").write_text("\n".join(told) + "\n")
    for name, text in (("model.py", MODEL), ("outlast.toml", CONTRACT), ("workspace.toml", WORKSPACE)):
        (folder / name).write_text(text)
    (folder / "RUNBOOK.md").write_text("# Late orders\n\nCall the warehouse.\n")


def requests() -> list[dict[str, object]]:
    """Questions with and without facts, as of different moments."""
    times = [TRAINED - timedelta(hours=hours) for hours in (1, 8, 30)]
    rows = [(shop, at) for shop in ("north", "south", "nowhere") for at in times]
    return [
        {"order_id": 500 + place, "shop": shop, "weight": place / 2, "coupon": None, "ordered_at": at.isoformat()}
        for place, (shop, at) in enumerate(rows)
    ]


def live(folder: Path, workspace: Workspace) -> Predictor:
    """Train, promote and serve one version."""
    project = load_project(folder, workspace)
    version = train(project, by="ada", now=TRAINED).version
    promote(project.workspace, ModelRef("late-orders", 1), by="bob", reason="the first one", now=TRAINED)
    span = served.taking(project.workspace.ledger, "late-orders", 1, version.digest, "corpus", TRAINED)
    served.released(project.workspace.ledger, span, ANSWERED)
    return open_predictor(project.workspace, version.digest, 1)


def journalled(workspace: Workspace, predictor: Predictor) -> list[dict[str, object]]:
    """Predictions, labels and facts: the first ones sealed into tables, the last ones still in the log."""
    answers = [
        msgspec.structs.replace(one, prediction_id=f"{place:032x}")
        for place, one in enumerate(predictor.predict(requests(), at=ANSWERED))
    ]
    known = {"known_at": micros(ANSWERED), "at": micros(ANSWERED), "origin": "corpus"}
    fact = {"order_id": 500, "shop": "north", "delivered_at": ANSWERED, "late": True}
    with Journal(workspace) as journal:
        journal.predictions(answers[:5], predictor, request_id="first", server="corpus")
        journal.labels([label("late-orders", True, prediction_id=answers[0].prediction_id, **known)])
        journal.facts("deliveries", [fact], at=ANSWERED)
        journal.seal()
        journal.predictions(answers[5:], predictor, request_id="second", server="corpus")
        journal.labels([label("late-orders", False, key="501", **known)])
    return [
        {"request": row, "id": one.prediction_id, "score": one.score, "decision": one.decision, "key": one.key,
         "rung": one.rung, "features": msgspec.to_builtins(one.features), "cells": one.cells.hex()}
        for row, one in zip(requests(), answers, strict=True)
    ]  # fmt: skip


def keep(folder: Path, place: Path) -> None:
    """Copy what was stored, each database as one file."""
    home = folder / ".outlast"
    for name in ("ledger.db", "fresh.db"):
        with sqlite3.connect(home / name) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()
    for name in KEPT:
        (place / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        source = home / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place / "home" / name)
    for path in folder.iterdir():
        if path.name != ".outlast":
            (shutil.copytree if path.is_dir() else shutil.copy)(path, place / path.name)


def main() -> None:
    """Write the folder of the release that is installed."""
    place = HERE / installed("outlast")
    if place.exists():
        raise SystemExit(f"{place} is there already: what a release wrote is not written again")
    folder = Path(tempfile.gettempdir()) / "outlast-corpus" / "shop"
    shutil.rmtree(folder.parent, ignore_errors=True)
    write_project(folder)
    with patch.object(socket, "gethostname", lambda: "corpus"), patch.object(segments, "now", lambda: ANSWERED):
        workspace = Workspace.find(folder)
        predictor = live(folder, workspace)
        expected = journalled(workspace, predictor)
    workspace.ledger.dispose()
    workspace.fresh.close()
    keep(folder, place)
    (place / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
