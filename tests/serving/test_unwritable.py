"""The log cannot be written: answers are refused or served as the contract says, people are told, and it mends."""

import resource
import shutil
from pathlib import Path

import httpx
import pytest
from late_project import CONTRACT, ROW, build, promote
from running import Running, eventually, running

from outlast.cli.workspace_health import _journal
from outlast.journal import reading
from outlast.journal.journal import seal
from outlast.monitoring.telling.alerts import alerts
from outlast.project.workspace import Workspace
from outlast.retraining.tick import tick
from outlast.types import now

NO_ROOM = 40_000
"""Bytes that a file of the server may have: the disk is full for its process."""


def ask(client: httpx.Client) -> httpx.Response:
    return client.post("/predict/late", json={"rows": [ROW] * 40})


def limit(server: Running, size: int) -> None:
    """Take room from a running process, or give it back."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_refuses_answers_until_there_is_room(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    with running(folder) as server, server.client() as client:
        before = ask(client).json()["predictions"]
        limit(server, NO_ROOM)
        eventually(lambda: ask(client).status_code == 503)
        refused = ask(client)
        assert "free some space" in refused.json()["error"]["message"]
        eventually(lambda: client.get("/readyz").status_code == 503)
        said = client.get("/readyz").json()
        assert said["status"] == "answers cannot be written down"
        assert "late" in said["journal"]
        limit(server, resource.RLIM_INFINITY)
        eventually(lambda: "refused answers" in _journal(workspace)[1])
        eventually(lambda: client.get("/readyz").status_code == 200)  # nobody asked meanwhile
        after = ask(client).raise_for_status().json()["predictions"]
        assert "journal" not in client.get("/readyz").json()
    seal(workspace)
    kept = set(reading.predictions(workspace, "late").collect()["prediction_id"])
    assert {one["prediction_id"] for one in (*before, *after)} <= kept


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, whose contract would rather answer than keep."""
    folder = tmp_path_factory.mktemp("serving") / "late"
    build(folder, versions=1, contract=CONTRACT + '[journal]\nunwritable = "serve"\n').ledger.dispose()
    return folder


def test_where_the_contract_says_so_answers_are_given_and_counted(
    serving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")  # a tick would make its database, which takes seconds
    folder = Path(shutil.copytree(serving, tmp_path / "late"))
    workspace = Workspace.find(folder)
    promote(workspace, 1)
    log = workspace.log_root / "predictions" / "late"
    with running(folder) as server, server.client() as client:
        shutil.rmtree(workspace.log_root, ignore_errors=True)
        log.parent.mkdir(parents=True)
        log.write_text("a file is in the way of the folder")
        assert [ask(client).status_code for _ in range(3)] == [200] * 3
        assert 'outlast_journal_lost_total{model="late"} 120.0' in client.get("/metrics").text
        said = client.get("/readyz")
        assert (said.status_code, list(said.json()["journal"])) == (200, ["late"])
        eventually(lambda: "gave 120 answers of late without" in _journal(workspace)[1])
        tick(workspace, now=now())
        (alert,) = [one for one in alerts(workspace.ledger) if one.kind == "journal"]
        assert "gave 120 answers of late without writing them down" in alert.sentence
        log.unlink()
        found = ask(client).raise_for_status().json()["predictions"]
        eventually(lambda: "journal" not in client.get("/readyz").json())
    kept = set(reading.predictions(workspace, "late").collect()["prediction_id"])
    assert kept == {one["prediction_id"] for one in found}
    workspace.ledger.dispose()
