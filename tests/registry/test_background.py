"""Mirroring in the background: at once for the caller, once for many requests, and none lost."""

import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from outlast.errors import StorageError
from outlast.project.workspace import Workspace
from outlast.registry import background, mirror
from outlast.registry.background import mirror_later, work
from outlast.settings import Settings


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch) -> Workspace:
    for name in ("MLFLOW_TRACKING_URI", "OUTLAST_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "outlast.toml").touch()
    return Workspace.find(folder)


@pytest.fixture
def started(monkeypatch) -> list[Path]:
    """Processes that would have been started, by their workspace."""
    found: list[Path] = []
    monkeypatch.setattr(background, "_start", found.append)
    return found


@pytest.fixture
def mirrored(monkeypatch) -> list[str]:
    """Models that were mirrored."""
    found: list[str] = []
    monkeypatch.setattr(mirror, "mirror", lambda _, model, beside: found.append(model))
    return found


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.02)


def test_a_request_starts_a_process_that_does_it_and_ends(workspace, train_in, empty_mlflow) -> None:
    train_in(workspace)
    shutil.copyfile(empty_mlflow, workspace.home / "mlflow.db")
    began = time.monotonic()
    mirror_later(workspace, "late")
    assert time.monotonic() - began < 1
    log = workspace.home / "mirror.log"
    until(lambda: log.exists() and "Alias 'challenger' of model 'late'" in log.read_text())
    until(lambda: _free(workspace))
    assert list((workspace.home / "mirror").iterdir()) == []


def _free(workspace: Workspace) -> bool:
    with background._alone(workspace.home / "mirror") as free:
        return free


def test_nothing_is_started_when_the_mirror_is_off(workspace, started) -> None:
    off = Workspace(workspace.root, settings=Settings(mlflow="off"))
    mirror_later(off, "late")
    assert started == []
    assert mirror.mirror(off, "late") == []
    assert not workspace.home.exists()


def test_while_one_process_works_no_second_is_started_and_it_does_both(
    workspace, started, mirrored, monkeypatch
) -> None:
    def slow(_: Workspace, model: str, beside: object) -> None:
        mirrored.append(model)
        if len(mirrored) == 1:
            mirror_later(workspace, "late")
            mirror_later(workspace, "other")

    monkeypatch.setattr(mirror, "mirror", slow)
    mirror_later(workspace, "late")
    work(workspace.root)
    assert started == [workspace.root]
    assert mirrored == ["late", "late", "other"]


def test_a_process_that_finds_another_at_work_leaves_it_the_request(workspace, started, mirrored) -> None:
    mirror_later(workspace, "late")
    with (workspace.home / "mirror.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        work(workspace.root)
    assert mirrored == []
    work(workspace.root)
    assert mirrored == ["late"]


def test_one_model_that_fails_leaves_the_others_alone(workspace, started, mirrored, monkeypatch, caplog) -> None:
    def fails(_: Workspace, model: str, beside: object) -> None:
        if model == "a":
            raise StorageError("the ledger is busy")
        mirrored.append(model)

    monkeypatch.setattr(mirror, "mirror", fails)
    mirror_later(workspace, "a")
    mirror_later(workspace, "b")
    work(workspace.root)
    assert mirrored == ["b"]
    assert "'a' is not mirrored to MLflow: the ledger is busy" in caplog.text


def test_a_folder_that_cannot_be_written_only_warns(workspace, started, caplog) -> None:
    workspace.home.touch()
    with caplog.at_level(logging.WARNING):
        mirror_later(workspace, "late")
    assert "by the next `outlast tick`" in caplog.text
    assert started == []
