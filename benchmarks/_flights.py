"""The flights example in a folder of its own: trained, promoted, and questions to ask it."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from _outlast import Project

EXAMPLE = Path(__file__).parents[1] / "examples" / "flights"
MODEL = "late-arrivals"
TREES = '"n_estimators": 100'


class Flights(Project):
    """A copy of the example that commands can be run in."""

    def train(self, trees: int = 100) -> None:
        """Train a version with so many trees."""
        model = self.folder / "model.py"
        text = (EXAMPLE / "model.py").read_text("utf-8")
        if TREES not in text:
            raise SystemExit(f"{EXAMPLE / 'model.py'} no longer says {TREES}: say here how to vary the model")
        model.write_text(text.replace(TREES, f'"n_estimators": {trees}'), "utf-8")
        self.run("train", "--quiet")

    def history(self) -> dict[str, Any]:
        """What was served when."""
        found: dict[str, Any] = self.said("history", MODEL)
        return found

    def questions(self) -> list[dict[str, Any]]:
        """Every question of the data's last day and a half, as callers send them, in an order that has no pattern.

        Facts are kept for the newest moments, so only these see all that lookups can find.
        """
        asked = ("flight_id", "origin", "dest", "carrier", "tailnum", "distance", "scheduled_at", "decide_at")
        flights = pl.read_parquet(self.folder / "data" / "flights.parquet")
        last: datetime = flights["decide_at"].max()  # type: ignore[assignment]
        recent = flights.filter(pl.col("decide_at") >= last - timedelta(days=1.5)).select(asked)
        rows = recent.sample(fraction=1.0, shuffle=True, seed=7).to_dicts()
        return [{n: v.isoformat() if isinstance(v, datetime) else v for n, v in row.items()} for row in rows]


@contextmanager
def flights() -> Iterator[Flights]:
    """A fresh copy, removed at the end; the example's data is made where it is missing."""
    if not (EXAMPLE / "data" / "flights.parquet").exists():
        subprocess.run([sys.executable, str(EXAMPLE / "prepare.py")], check=True)
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as scratch:
        folder = Path(scratch) / "flights"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".outlast", "__pycache__", "mlruns"))
        yield Flights(folder)
