"""A project whose one version answers as a server does, whose code can be made to give other values, and its feed."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from outlast.bundle.predictor import open_predictor
from outlast.gates.promote import fill_fresh
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.run import train

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ASKED = datetime(2024, 6, 1, 12, tzinfo=UTC)
ROW = {"shop": "east", "weight": 2, "coupon": "A"}


def ask(place: Workspace, version: Version, hours: int) -> None:
    """An answer every hour, kept as a server keeps it."""
    predictor = open_predictor(place, version.digest, version.number)
    with Journal(place) as journal:
        for hour in range(hours):
            at = ASKED + timedelta(hours=hour)
            answers = predictor.predict([{**ROW, "ordered_at": at.isoformat()}], at=at)
            journal.predictions(answers, predictor, request_id=str(hour), server="s")


def push(place: Workspace, key: int, known: datetime, *, at: datetime) -> None:
    rows = pl.DataFrame(
        {"order_id": [key], "shop": ["east"], "delivered_at": [known.replace(tzinfo=None)], "late": [True]}
    )
    with Journal(place) as journal:
        Ingest(place, journal).take("deliveries", rows, at=at)


def template(orders: Path, folder: Path) -> Path:
    """A folder with the project of `rated`, trained once, to be copied."""
    place, _ = rated(shutil.copytree(orders, folder))
    place.fresh.close()
    place.ledger.dispose()
    return folder


def rated(folder: Path) -> tuple[Workspace, Version]:
    """The small project with a feature that hangs on the environment: RATE, which is 1 where it is not set."""
    text = (folder / "model.py").read_text()
    rate = "dear=pl.col('weight') * rate(), hour=pl.col"
    numbers = "from shapes import numbers\n"
    (folder / "model.py").write_text(
        text.replace("hour=pl.col", rate).replace(numbers, numbers + "from rates import rate\n")
    )
    (folder / "rates.py").write_text("import os\n\n\ndef rate():\n    return float(os.environ.get('RATE', '1'))\n")
    project = load_project(folder)
    version = train(project, by="ada", now=NOW).version
    fill_fresh(project.workspace, version, now=NOW)
    return project.workspace, version
