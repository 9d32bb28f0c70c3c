"""A run of the loop: its own cutoff goes before the contract's, old rows train more rarely, it is made again."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from outlast.journal.sources import Sources
from outlast.project.contract import WindowSection
from outlast.project.loader import load_project
from outlast.project.period import Period
from outlast.registry.versions import Version
from outlast.training.dataset import AT, build_dataset, cutoff_of
from outlast.training.reproduce.again import reproduce
from outlast.training.reproduce.changes import Instead
from outlast.training.run import train
from outlast.types import micros

NOW = datetime(2024, 6, 1, tzinfo=UTC)
UNTIL = datetime(2024, 3, 11, tzinfo=UTC)
WEIGHTED = Period(UNTIL, half_life=timedelta(days=10), holdout=0.1)


@pytest.fixture(scope="module")
def made(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Version]:
    """The small project, trained once on a period of the loop's; its contract says until 25 March."""
    folder = tmp_path_factory.mktemp("period") / "orders"
    shutil.copytree(orders_template, folder)
    project = replace(load_project(folder), period=WEIGHTED)
    return folder, train(project, by="tick", now=NOW).version


def test_a_window_and_a_moment_are_a_period() -> None:
    recent = Period.of(WindowSection(use="recent", length="30d"), UNTIL)
    assert (recent.since, recent.until) == (UNTIL - timedelta(days=30), UNTIL)
    assert Period.of(WindowSection(), UNTIL) == Period(UNTIL)
    assert Period.from_json(WEIGHTED.to_json()) == WEIGHTED


@pytest.mark.parametrize(("use", "more"), [("recent", {}), ("all", {"length": "30d"}), ("weighted", {"length": "9d"})])
def test_a_window_says_what_its_use_needs(use: str, more: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="go together"):
        WindowSection.model_validate({"use": use, **more})


def test_its_cutoff_goes_before_the_contracts_and_is_recorded(made: tuple[Path, Version]) -> None:
    folder, version = made
    rows = load_project(folder).workspace.tables.scan(version.summary["snapshot"]).collect()
    assert rows[AT].max() < micros(UNTIL)  # type: ignore[operator]
    assert version.summary["period"]["cutoff"] == UNTIL.isoformat()
    assert version.lineage["period"] == WEIGHTED.to_json()
    assert rows["__test"].mean() == pytest.approx(0.1, abs=0.01)


def test_old_rows_train_more_rarely(made: tuple[Path, Version]) -> None:
    folder, version = made
    rows = load_project(folder).workspace.tables.scan(version.summary["snapshot"]).collect()
    age = (micros(UNTIL) - rows[AT]) / 86_400e6
    for low, high, least, most in ((10, 20, 0.25, 0.5), (40, 60, 0.01, 0.1)):
        share = rows.filter((age > low) & (age < high) & ~pl.col("__test"))["__train"].mean()
        assert least <= share <= most, (low, share)  # type: ignore[operator]


def test_only_recent_questions_are_taken(made: tuple[Path, Version]) -> None:
    since = UNTIL - timedelta(days=20)
    project = replace(load_project(made[0]), period=Period(UNTIL, since))
    rows = build_dataset(project, Sources(project), cutoff_of(project, NOW)).rows
    assert micros(since) <= rows[AT].min() < rows[AT].max() < micros(UNTIL)  # type: ignore[operator]


def test_it_is_made_again_from_what_was_kept_and_from_the_sources(made: tuple[Path, Version]) -> None:
    folder, version = made
    found = reproduce(load_project(folder).workspace, version, Instead(environment="here", sources=True))
    assert found.equal, found.sentence
