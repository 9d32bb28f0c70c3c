"""A server whose next versions do harm: the one that is live goes on answering, and everything says what happened."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from faulty import FAULTS, changed
from late_project import ROW, promote, rollback
from running import Running, eventually, running

from outlast.cli import main
from outlast.project.workspace import Workspace
from outlast.registry.served import history, troubles, unloaded
from outlast.registry.versions import versions
from outlast.serving.spare.proofs import Proofs


class Said(NamedTuple):
    code: object
    out: str
    err: str


@pytest.fixture
def outlast(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """A command in the project, in this process."""
    monkeypatch.chdir(folder)

    def said(*words: str) -> Said:
        capsys.readouterr()
        try:
            code: object = main(words)
        except SystemExit as end:
            code = end.code
        return Said(code, *capsys.readouterr())

    return said


class Asking:
    """A client that asks without pause, and keeps what it got."""

    def __init__(self, server: Running) -> None:
        self.got: list[tuple[int, object]] = []
        self._server, self._stop = server, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with self._server.client() as client:
            while not self._stop.is_set():
                answer = client.post("/predict/late", json=ROW)
                self.got.append((answer.status_code, answer.json().get("version")))


def refused(client: httpx.Client, number: int) -> str:
    """What /readyz says of a version that could not be loaded, once it does."""
    found: list[str] = []

    def said() -> bool:
        found[:] = [one for one in client.get("/readyz").json()["refused"] if one.startswith(f"late@{number} ")]
        return bool(found)

    eventually(said)
    return found[0]


def test_what_is_live_answers_through_versions_that_do_harm(
    folder: Path, workspace: Workspace, outlast: Callable[..., Said]
) -> None:
    numbers = {fault: changed(workspace, FAULTS[fault])[1] for fault in ("exits", "raises", "crashes")}
    promote(workspace, 1)
    with running(folder) as server, server.client() as client, Asking(server) as asking:
        for fault, number in numbers.items():
            promote(workspace, number)
            says = refused(client, number)
            assert f"late@{number} could not be loaded, version 1 stays: " in says, fault
            assert client.get("/readyz").json()["models"] == {"late": 1}
            assert (client.get("/readyz").status_code, client.get("/livez").status_code) == (200, 200)
        metrics = client.get("/metrics").text
        assert 'outlast_model_refused{model="late"} 1.0' in metrics
        assert 'outlast_version_trials_total{model="late",result="died"} 2.0' in metrics
        assert 'outlast_version_trials_total{model="late",result="failed"} 1.0' in metrics
        assert [one.version for one in unloaded(workspace.ledger)] == [numbers["crashes"]]
        assert "version 1 stays" in outlast("doctor").out
        promote(workspace, 2)
        eventually(lambda: client.get("/readyz").json()["models"] == {"late": 2})
        eventually(lambda: client.get("/readyz").json()["refused"] == [])
    assert {status for status, _ in asking.got} == {200}
    assert {version for _, version in asking.got} == {1, 2}
    assert [one.version for one in troubles(workspace.ledger, "late")] == list(numbers.values())
    assert [span.version for span in history(workspace.ledger, "late")] == [1, 2]
    assert unloaded(workspace.ledger) == []
    shown = outlast("history").out
    assert "could not be loaded" in shown
    assert "SIGSEGV" in shown
    kept = json.loads(outlast("history", "--json").out)
    assert [one["version"] for one in kept["refused"]] == list(numbers.values())


def test_what_was_served_last_is_served_after_a_restart_where_what_is_live_does_harm(
    folder: Path, workspace: Workspace
) -> None:
    number = changed(workspace, FAULTS["raises"])[1]
    promote(workspace, 1)
    with running(folder):
        pass
    promote(workspace, number)
    with running(folder) as server, server.client() as client:
        assert client.post("/predict/late", json=ROW).json()["version"] == 1
        found = client.get("/readyz").json()
        assert found["models"] == {"late": 1}
        assert "could not be loaded, version 1 stays: " in found["refused"][0]
        rollback(workspace)
        eventually(lambda: client.get("/readyz").json()["refused"] == [])


def test_a_version_that_hangs_keeps_nobody_waiting(
    folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried for as long as the setting says; until then what is live answers, and the server starts and stops."""
    number = changed(workspace, FAULTS["hangs"])[1]
    promote(workspace, 1)
    with running(folder) as server, server.client() as client:
        promote(workspace, number)
        eventually(lambda: client.get("/readyz").json().get("proving") == {"late": number})
        assert client.post("/predict/late", json=ROW).json()["version"] == 1
        assert client.get("/readyz").status_code == 200
        assert server.stop() == 0
    monkeypatch.setenv("OUTLAST_PROVING", "3s")
    with running(folder) as server, server.client() as client:
        assert "it was not done within 3 s: it hung while" in refused(client, number)


def test_a_version_nobody_tried_is_proven_once(folder: Path, workspace: Workspace) -> None:
    shutil.rmtree(Proofs(workspace).folder)
    promote(workspace, 1)
    digest = versions(workspace.ledger, "late")[0].digest
    proven = 'outlast_version_trials_total{model="late",result="passed"} 1.0'
    for first in (True, False):
        with running(folder) as server, server.client() as client:
            assert client.post("/predict/late", json=ROW).json()["version"] == 1
            assert (proven in client.get("/metrics").text) is first
    found = Proofs(workspace).find(digest)
    assert found is not None
    assert found.by == "spare process"


def test_without_proving_a_version_is_opened_at_once(
    folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(Proofs(workspace).folder)
    number = changed(workspace, FAULTS["lies"])[1]
    monkeypatch.setenv("OUTLAST_PROVING", "off")
    promote(workspace, 1)
    with running(folder) as server, server.client() as client:
        promote(workspace, number)
        assert "it does not give the answers of its training here" in refused(client, number)
        assert client.post("/predict/late", json=ROW).json()["version"] == 1
    assert not Proofs(workspace).folder.exists()


def test_a_time_that_is_none_is_refused(outlast: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLAST_PROVING", "soon")
    done = outlast("serve", "--port", "0")
    assert done.code not in (0, None)
    assert "OUTLAST_PROVING is 'soon': expected a time such as 30s, or off" in done.err
