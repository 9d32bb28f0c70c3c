"""A server killed while it writes: every answer that was sent is in the journal, once, and nothing is half-written."""

import random
import threading
from pathlib import Path

import httpx
import pytest
from late_project import ROW, promote
from running import Running, eventually, running

from outlast.journal import reading
from outlast.journal.journal import seal
from outlast.project.workspace import Workspace
from outlast.registry.served import history
from outlast.serving.alive import close_dead


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_every_answer_sent_is_in_the_journal_once(folder: Path, workspace: Workspace, kills: int) -> None:
    promote(workspace, 1)
    answered: set[str] = set()
    labelled = 0
    chance = random.Random(3)
    for turn in range(kills):
        with running(folder) as server:
            labelled += ask_until_killed(server, answered, 40 + chance.randrange(60))
            assert server.process.poll() is not None
        if turn % 2:
            seal(workspace)
    seal(workspace)
    kept = workspace.tables.scan("predictions/late").collect()
    ids = kept["prediction_id"].to_list()
    assert len(ids) == len(set(ids))
    assert answered <= set(ids)
    assert kept["cells"].null_count() == kept["asks"].null_count() == kept["score"].null_count() == 0
    assert reading.predictions(workspace, "late").collect().height == len(ids)
    requests = kept.group_by("request_id").len()
    assert set(requests["len"]) == {3}  # a request's rows are kept all or none
    assert workspace.tables.scan("labels/late").collect().height >= labelled
    close_dead(workspace)
    spans = history(workspace.ledger, "late")
    assert len(spans) == kills
    assert all(span.until is not None and span.until > span.since for span in spans)


def ask_until_killed(server: Running, answered: set[str], enough: int) -> int:
    """Send from three clients and kill the server in the middle; gives how many labels were accepted."""
    count = threading.Semaphore(0)
    labels: list[int] = []

    def ask() -> None:
        with server.client() as client:
            try:
                while True:
                    answer = client.post("/predict/late", json={"rows": [ROW] * 3}).raise_for_status()
                    found = [one["prediction_id"] for one in answer.json()["predictions"]]
                    answered.update(found)
                    body = {"prediction_id": found[0], "value": True}
                    labels.append(client.post("/labels/late", json=body).raise_for_status().json()["accepted"])
                    count.release()
            except httpx.TransportError:
                return

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(enough):
        assert count.acquire(timeout=60)
    server.kill()
    for client in clients:
        client.join()
    return sum(labels)


def test_the_next_server_closes_what_a_killed_one_left_open(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    with running(folder) as server:
        server.kill()
    (left,) = history(workspace.ledger, "late")
    assert left.until is None
    with running(folder):
        eventually(lambda: history(workspace.ledger, "late")[0].until is not None)
        _, second = history(workspace.ledger, "late")
        assert (second.until, second.version) == (None, 1)
    assert [span.until is not None for span in history(workspace.ledger, "late")] == [True, True]
