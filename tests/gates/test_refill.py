"""Filling fresh values from history: the same again changes nothing, and what was stopped half-way is completed."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.bundle.predictor import open_bundle
from outlast.gates.promote import promote
from outlast.gates.refill import backfill
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NAME = ModelRef("late-orders", "latest")


@pytest.fixture
def place(orders_template: Path, tmp_path: Path) -> Workspace:
    """A workspace whose one version is live."""
    shutil.copytree(orders_template, tmp_path / "orders")
    project = load_project(tmp_path / "orders")
    train(project, by="ada", now=NOW)
    promote(project.workspace, NAME, by="bob", reason="tested", now=NOW)
    return project.workspace


class Counting:
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.totals, self.done = 0, 0

    def total(self, rows: int | None, of: str = "rows") -> None:
        self.totals += rows or 0

    def advance(self, rows: int) -> None:
        self.done += rows


class Dies(Counting):
    def advance(self, rows: int) -> None:
        raise SystemExit(9)


def counts(place: Workspace) -> dict[str, int]:
    lookups = open_bundle(place, find(place.ledger, NAME).digest).manifest["lookups"]
    return {one["digest"]: place.fresh.count(one["digest"]) for one in lookups}


def test_a_fill_restores_what_was_lost_tells_how_far_it_is_and_changes_nothing_again(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = counts(place)
    for digest in filled:
        place.fresh.drop(digest)
    assert set(counts(place).values()) == {0}
    monkeypatch.setattr(type(place.fresh), "at_once", 50)
    with pytest.raises(SystemExit):
        backfill(place, "late-orders", now=NOW, watcher=Dies())
    assert max(counts(place).values()) == 50, "one part, which is whole"
    for _ in range(2):
        watcher = Counting()
        by_source = backfill(place, "late-orders", now=NOW, watcher=watcher)
        assert counts(place) == filled
        assert watcher.done == watcher.totals == sum(by_source.values()) > 50
    place.fresh.close()


def test_a_fill_writes_to_the_redis_that_the_workspace_names(
    place: Workspace, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = counts(place)
    (place.root / "workspace.toml").write_text(f'name = "refilled"\n[storage]\nfresh = "{redis_url}"\n')
    other = Workspace.find(place.root)
    assert other.fresh.address == redis_url
    backfill(other, "late-orders", now=NOW)
    assert counts(other) == filled
    other.fresh.close()
    place.fresh.close()
