"""Several real workers at one address."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import httpx
import pytest
from late_project import ROW, promote
from running import Running, children, eventually, several

from outlast.journal.journal import seal
from outlast.project.workspace import Workspace
from outlast.registry.served import history


def metric(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


class Callers:
    """Callers that ask on and on, and come again where a worker was killed under them."""

    def __init__(self, server: Running, count: int = 2) -> None:
        self.answered: list[str] = []
        self._server, self._done = server, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> "Callers":
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for one in self._threads:
            one.join()

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        enough = len(self.answered) + count
        eventually(lambda: len(self.answered) >= enough)

    def _ask(self) -> None:
        while not self._done.is_set():
            with self._server.client() as client:
                try:
                    while not self._done.is_set():
                        answer = client.post("/predict/late", json={"rows": [ROW] * 2}).raise_for_status()
                        self.answered += [one["prediction_id"] for one in answer.json()["predictions"]]
                except httpx.TransportError:
                    continue


def repeated(server: Running) -> str:
    """The one answer to a request whose id stays the same, whichever worker is asked."""
    (found,) = {
        httpx.post(f"{server.address}/predict/late", json=ROW, headers={"x-request-id": "same"}).json()["prediction_id"]
        for _ in range(8)
    }
    return str(found)


def refused(server: Running) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def ready(server: Running) -> bool:
    return httpx.get(f"{server.address}/readyz").status_code == 200


def test_workers_that_are_killed_are_replaced_and_all_they_answered_is_kept_and_counted(
    folder: Path, workspace: Workspace
) -> None:
    promote(workspace, 1)
    with several(folder) as server:
        first = repeated(server)
        with Callers(server) as callers:
            for turn in range(2):
                callers.more(40)
                before = server.workers
                os.kill(before[turn % 2], signal.SIGKILL)
                eventually(lambda before=before: not set(before) >= set(server.workers) and ready(server))
            callers.more(40)
        assert server.said.count("was ended by SIGKILL") == 2
        assert repeated(server) == first
        texts = [httpx.get(f"{server.address}/metrics").text for _ in range(6)]
        answers = {metric(text, "outlast_predictions_total") for text in texts}
        assert len(answers) == 1, "whichever worker is asked says the same"
        assert {metric(text, "outlast_model_live") for text in texts} == {1}
        (counted,) = answers
        eventually(lambda: metric(httpx.get(f"{server.address}/metrics").text, "outlast_requests_under_way") == 0)
        assert server.stop() == 0
    seal(workspace)
    kept = workspace.tables.scan("predictions/late").collect()["prediction_id"].to_list()
    assert len(kept) == len(set(kept))
    assert len(callers.answered) == len(set(callers.answered))
    assert set(callers.answered) <= set(kept)
    assert len(callers.answered) < counted <= len(kept)
    spans = history(workspace.ledger, "late")
    assert len(spans) == 4
    assert all(span.until is not None for span in spans)
    assert list((workspace.home / "servers").glob("*")) == []


def test_one_that_stands_still_is_replaced_while_the_other_answers(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    runner = str(Path(__file__).with_name("supervised.py"))
    serve = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--host", "127.0.0.1"]
    with (
        (folder / "said").open("w") as words,
        subprocess.Popen(
            [sys.executable, runner, "2", "60", "2", *serve],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, (folder / "said").read_text()
            first, second = children(process.pid)
            os.kill(second, signal.SIGSTOP)
            eventually(lambda: len(children(process.pid)) == 2 and second not in children(process.pid))
            eventually(lambda: answered(found[0]))
            assert first in children(process.pid)
            assert f"(process {second}) took no request for 2 s" in (folder / "said").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def answered(address: str) -> bool:
    """Whether every worker does: each connection goes to one that the system draws."""
    try:
        return all(httpx.post(f"{address}/predict/late", json=ROW, timeout=5).is_success for _ in range(8))
    except httpx.TransportError:
        return False


def test_workers_take_a_change_share_grpc_and_give_the_ports_back_when_their_supervisor_is_gone(
    folder: Path, workspace: Workspace
) -> None:
    promote(workspace, 1)
    with several(folder, 2, "--grpc-port", "0") as server:
        promote(workspace, 2)

        def versions() -> set[int]:
            return {httpx.post(f"{server.address}/predict/late", json=ROW).json()["version"] for _ in range(12)}

        eventually(lambda: versions() == {2})
        with grpc.insecure_channel(server.grpc) as channel:
            check = channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
            assert check(b"", timeout=60) == b"\x08\x01"
        open_, ended = [], []
        for span in history(workspace.ledger, "late"):
            (open_ if span.until is None else ended).append((span.version, span.server))
        assert {server for _, server in open_} == {server for _, server in ended}
        assert [version for version, _ in (*ended, *open_)] == [1, 1, 2, 2]
        server.kill()
        eventually(lambda: refused(server))
        eventually(lambda: all(span.until is not None for span in history(workspace.ledger, "late")))


def test_told_to_stop_they_say_so_first_and_answer_on_and_a_second_signal_ends_them(
    folder: Path, workspace: Workspace
) -> None:
    promote(workspace, 1)
    with several(folder, OUTLAST_LEAVE="20") as server, server.client() as client:
        assert "connection" not in client.get("/readyz").headers
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not ready(server))
        eventually(lambda: client.get("/readyz").headers.get("connection") == "close")
        assert httpx.get(f"{server.address}/readyz").json()["status"] == "told to stop"
        assert client.post("/predict/late", json=ROW).status_code == 200
        assert len(server.workers) == 2
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 128 + signal.SIGTERM


def test_what_a_first_worker_cannot_do_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as said, several(tmp_path, 3):
        pass
    assert str(said.value).count("outlast: ") == 1
