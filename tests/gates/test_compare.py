"""What two versions do on the same rows, and what was changed between them."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.gates.compare import compare
from outlast.gates.compared import Compared
from outlast.project.loader import load_project
from outlast.registry.versions import Version
from outlast.training.run import train

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def run(folder: Path) -> Version:
    return train(load_project(folder), by="ada", now=NOW).version


@pytest.fixture(scope="module")
def compared(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Two versions with another window, payoff, slice and day of data."""
    folder = tmp_path_factory.mktemp("compared") / "orders"
    shutil.copytree(orders_template, folder)
    older = run(folder)
    edit(folder, "model.py", 'over=["1d", "3d"]', 'over=["1d", "2d", "3d"]')
    edit(folder, "shapes.py", 'pl.col("hour"),', 'pl.col("hour"), pl.col("late_2d").fill_null(0.3),')
    edit(folder, "outlast.toml", "no = -4", "no = -5")
    edit(folder, "outlast.toml", 'until = "2024-03-25"', 'until = "2024-03-27"')
    edit(folder, "outlast.toml", "[retraining]", '[gate]\nslices = ["shop"]\nslice_rows = 50\n\n[retraining]')
    newer = run(folder)
    return compare(load_project(folder).workspace, older, newer)


def test_both_are_held_against_each_other_on_rows_that_neither_learned(compared: Compared) -> None:
    figures = {one["name"]: one for one in compared.figures}
    assert list(figures)[:2] == ["roc_auc", "EUR a decision"]
    for one in figures.values():
        assert one["low"] <= one["value"] <= one["high"]
    assert figures["roc_auc"]["value"] == pytest.approx(figures["roc_auc"]["newer"] - figures["roc_auc"]["older"])
    assert figures["log_loss"]["value"] == pytest.approx(figures["log_loss"]["older"] - figures["log_loss"]["newer"])
    assert compared.rows["unit"] == "day"
    assert compared.rows["count"] == figures["roc_auc"]["rows"]


def test_slices_are_compared_in_the_metric_and_in_money(compared: Compared) -> None:
    said = {(one["says"], one["figure"]) for one in compared.slices}
    assert {
        (f"shop = {shop}", figure) for shop in ("east", "north") for figure in ("roc_auc", "EUR a decision")
    } <= said
    assert not any(one["worse"] for one in compared.slices)


def test_what_changed_is_told_part_by_part(compared: Compared) -> None:
    changed = compared.changed
    assert [(one["file"], one["added"], one["removed"]) for one in changed["code"]] == [
        ("model.py", 1, 1),
        ("shapes.py", 1, 1),
    ]
    assert any('over=["1d", "2d", "3d"]' in line for line in changed["code"][0]["diff"])
    assert changed["features"]["added"] == ["late_2d"]
    assert changed["data"]["sources"] == []
    assert {"name": "cutoff", "before": "2024-03-25T00:00:00+00:00", "after": "2024-03-27T00:00:00+00:00"} in changed[
        "data"
    ]["period"]
    assert {"name": "value.payoff.call.no", "before": -4.0, "after": -5.0} in changed["contract"]
    assert (changed["environment"], compared.why) == ([], None)
