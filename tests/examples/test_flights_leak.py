"""The landing most people write first is a leak, and is found; the honest one is under no suspicion."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from example_code import FLIGHTS as FOLDER
from example_code import load

from outlast.data.validation import Violation
from outlast.journal.sources import Sources
from outlast.project.loader import load_project
from outlast.training.dataset import build_dataset, cutoff_of
from outlast.training.leakage.guards import suspicions
from outlast.training.splitting import split_rows


@pytest.fixture(scope="module")
def timetable(tmp_path_factory: pytest.TempPathFactory, raw: Any, dated: pl.DataFrame) -> tuple[Path, pl.DataFrame]:
    """The example with its data of six weeks, and its flights with the landing on New York's clock."""
    prepare, folder = load("prepare", "leaking_prepare"), tmp_path_factory.mktemp("leak") / "flights"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("data", ".outlast", "__pycache__"))
    (folder / "data").mkdir()
    weeks = pl.col("scheduled_at").is_between(datetime(2013, 5, 1, tzinfo=UTC), datetime(2013, 6, 15, tzinfo=UTC))
    flights = dated.filter(weeks).with_columns(naive=prepare.naive_landing())
    for name in ("questions", "landings", "departures"):
        file = "flights" if name == "questions" else name
        getattr(prepare, name)(flights).write_parquet(folder / "data" / f"{file}.parquet")
    prepare.weather(raw.weather).write_parquet(folder / "data" / "weather.parquet")
    prepare.planes(raw.planes).write_parquet(folder / "data" / "planes.parquet")
    return folder, flights


def suspected(folder: Path) -> dict[str, list[Violation]]:
    project = load_project(folder)
    sources = Sources(project)
    dataset = build_dataset(project, sources, cutoff_of(project, datetime(2013, 7, 1, tzinfo=UTC)), most=20_000)
    return suspicions(project, sources, dataset, split_rows(project, dataset, 0))


def test_honest_landings_are_under_no_suspicion(timetable: tuple[Path, pl.DataFrame]) -> None:
    assert suspected(timetable[0]) == {}


def test_landings_on_new_yorks_clock_and_the_day_of_departure_are_a_leak(
    timetable: tuple[Path, pl.DataFrame], tmp_path: Path
) -> None:
    folder = tmp_path / "flights"
    shutil.copytree(timetable[0], folder)
    naive = timetable[1].select("flight_id", "naive")
    landings = pl.read_parquet(folder / "data" / "landings.parquet").join(naive, on="flight_id")
    landings = landings.with_columns(landed_at="naive").drop("naive").drop_nulls("landed_at")
    landings.write_parquet(folder / "data" / "landings.parquet")
    (one,) = suspected(folder)["landings"]
    assert (one.column, one.rule, one.blocks) == ("landed_at", "known before asked", True)
    assert "known before their own question" in one.sentence
