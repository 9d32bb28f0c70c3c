"""What a version keeps of its origin: commit and difference, sources, training set, features, build, cost."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.data.fingerprint import rows_digest
from outlast.project.loader import load_project
from outlast.training.commit import LONGEST, committed
from outlast.training.run import train

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def repository(orders: Path) -> Path:
    git(orders, "init", "-q")
    git(orders, "add", ".")
    git(orders, "commit", "-q", "-m", "first")
    return orders


def test_the_difference_to_the_commit_is_kept_without_data_and_secrets(repository: Path) -> None:
    model = repository / "model.py"
    extra = '\nDATABASE = "postgresql://ana:hidden@host/db"\nAPI_KEY = "hidden"\nlimit = 3\n'
    model.write_text(model.read_text() + extra)
    (repository / "credentials.py").write_text("x = 'hidden'\n")
    (repository / "data" / "orders.csv").write_text("hidden\n")
    git(repository, "add", "--intent-to-add", "credentials.py")
    found = committed(repository)
    assert "+limit = 3" in found["diff"]
    assert '+API_KEY = "…"' in found["diff"]
    assert "hidden" not in found["diff"]
    assert {line[3:] for line in found["changed"]} == {"model.py", "data/orders.csv", "credentials.py"}


def test_a_long_difference_is_cut_and_says_so(repository: Path) -> None:
    (repository / "model.py").write_text("x = 1\n" * LONGEST)
    diff = committed(repository)["diff"]
    assert len(diff) < LONGEST + 100
    assert diff.endswith("more characters")


def test_without_a_repository_nothing_is_said(tmp_path: Path) -> None:
    assert committed(tmp_path) == {"commit": None, "changed": None}


def test_a_version_keeps_what_it_takes_to_make_it_again(orders: Path) -> None:
    project = load_project(orders)
    version = train(project, by="ada", now=NOW).version
    lineage, workspace = version.lineage, project.workspace
    kept = workspace.tables.scan(lineage["snapshot"]).sort("__row")
    assert rows_digest(kept, ordered=True) == lineage["training_set"]["digest"]
    assert kept.collect().height == lineage["training_set"]["rows"]
    assert workspace.artifacts.exists(lineage["builds"]["outlast"]["artifact"])
    assert [one["kind"] for one in lineage["features"]] == ["window", "latest", "function"]
    assert lineage["training_set"]["given"]["last_late"] == "Boolean"
    assert all(found["rows"] == 1500 for found in version.summary["sources"].values())


def test_what_a_run_cost_is_in_the_ledger_and_not_in_the_bundle(orders: Path) -> None:
    project = load_project(orders)
    version = train(project, by="ada", now=NOW).version
    cost = version.summary["cost"]
    assert cost["started_at"] == NOW.isoformat()
    assert cost["cpu_seconds"] > 0
    assert all(cost[name] > 0 for name in ("seconds", "peak_memory_bytes", "bundle_bytes", "snapshot_bytes"))
    assert b"cpu_seconds" not in project.workspace.artifacts.get(version.digest)
