"""Whose bins a version counts in: found where they came from, or said to be gone from there."""

from datetime import UTC, datetime
from pathlib import Path

from outlast.project.loader import load_project
from outlast.registry.versions import Version
from outlast.training.reproduce.bins import bins_taken, said_of_bins
from outlast.training.run import train

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def trained(folder: Path) -> Version:
    return train(load_project(folder), by="ada", now=NOW).version


def test_bins_are_looked_for_where_they_came_from(orders: Path) -> None:
    first = trained(orders)
    contract = orders / "outlast.toml"
    contract.write_text(contract.read_text().replace("threads = 1", 'threads = 1\nsince = "2024-01-20"'))
    second, workspace = trained(orders), load_project(orders).workspace
    assert bins_taken(workspace, first) == []
    (taken,) = bins_taken(workspace, second)
    assert (taken["version"], taken["bundle"], taken["had"]) == (1, first.digest, True)
    assert said_of_bins([taken], "late-orders") == ""
    workspace.artifacts.delete(first.digest)
    gone = bins_taken(workspace, second)
    assert [one["had"] for one in gone] == [False]
    assert "came from late-orders@1, where they are no more" in said_of_bins(gone, "late-orders")
