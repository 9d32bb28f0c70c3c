"""The training set for a notebook: what was known at a moment, and nothing of what came later."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import outlast
from outlast.errors import NotFound, ProjectError, RequestError
from outlast.features.history import parts
from outlast.journal.sources import Sources
from outlast.project.loader import load_project
from outlast.training.dataset import build_dataset
from outlast.training.frame import frame_of, meant, write
from outlast.training.run import train
from outlast.types import ModelRef

THEN = datetime(2024, 2, 1, tzinfo=UTC)


def test_a_notebook_gets_what_was_known_at_the_moment(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(orders)
    rows = outlast.dataset("late-orders", as_of="2024-02-01")
    assert rows.columns[:2] == ["key", "asked_at"]
    assert rows.columns[-2:] == ["label", "label_known_at"]
    assert rows["label_known_at"].max() < THEN
    project = load_project(orders)
    kept = build_dataset(project, Sources(project), THEN)
    assert rows.select(kept.features).equals(kept.x)
    assert outlast.dataset(as_of=THEN).equals(rows)
    assert outlast.dataset().height > rows.height


def test_a_version_brings_its_own_code(orders: Path) -> None:
    project = load_project(orders)
    train(project, by="ada", now=datetime(2024, 6, 1, tzinfo=UTC))
    model = (orders / "model.py").read_text()
    (orders / "model.py").write_text(model.replace("hour=", "hour_of_day="))
    place = load_project(orders).workspace
    assert "hour" in frame_of(meant(place, ModelRef("late-orders", 1), orders), as_of=THEN).rows.columns
    assert "hour_of_day" in frame_of(meant(place, ModelRef("late-orders"), orders), as_of=THEN).rows.columns
    with pytest.raises(NotFound, match="nobody"):
        meant(place, ModelRef("nobody"), orders)


def test_a_column_called_label_keeps_its_name(orders: Path) -> None:
    place = orders / "data" / "orders.csv"
    pl.read_csv(place).with_columns(label="weight").write_csv(place)
    model = (orders / "model.py").read_text()
    (orders / "model.py").write_text(model.replace('asks=orders["shop"', 'asks=orders["label", "shop"'))
    assert {"label", "label_"} <= set(frame_of(load_project(orders), as_of=THEN).rows.columns)


def test_files_are_written_whole_or_not(tmp_path: Path) -> None:
    rows = pl.DataFrame({"key": ["a"]})
    for name in ("set.parquet", "set.csv"):
        write(rows, tmp_path / name)
    assert pl.read_parquet(tmp_path / "set.parquet").equals(rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.csv", "set.parquet"]
    with pytest.raises(RequestError, match=r"set\.parquet or \.csv"):
        write(rows, tmp_path / "set.xlsx")
    with pytest.raises(NotFound, match="make it first"):
        write(rows, tmp_path / "away" / "set.csv")


def test_a_moment_that_is_none_is_refused(orders: Path) -> None:
    with pytest.raises(RequestError, match="'soon' is no moment"):
        frame_of(load_project(orders), as_of="soon")


def test_a_history_beyond_the_memory_it_may_take_gives_the_same(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame_of(load_project(orders), as_of=THEN).rows
    divided = []
    monkeypatch.setattr(parts, "_SAMPLE", 5)
    monkeypatch.setattr(parts, "TAKES", 5_000)
    monkeypatch.setattr(parts, "facts_of_part", spy(parts.facts_of_part, divided))
    monkeypatch.setenv("OUTLAST_MEMORY", "1 MiB")
    assert frame_of(load_project(orders), as_of=THEN).rows.equals(whole)
    assert len(divided) > 1
    monkeypatch.setenv("OUTLAST_MEMORY", "plenty")
    with pytest.raises(ProjectError, match="'plenty': expected a size"):
        frame_of(load_project(orders), as_of=THEN)


def spy(function: Callable[..., Any], seen: list[Any]) -> Callable[..., Any]:
    return lambda *given, **named: seen.append(given) or function(*given, **named)
