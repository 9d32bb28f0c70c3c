"""Promotions and rollbacks while clients send without pause: no failed request, no doubt who answered."""

import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

from late_project import ROW, promote, retire, rollback
from running import eventually, running

from outlast.bundle.predictor import open_predictor
from outlast.journal import reading
from outlast.project.workspace import Workspace
from outlast.registry.served import history
from outlast.registry.versions import versions
from outlast.types import now

QUESTION = {**ROW, "decide_at": "2013-06-26T12:00:00Z"}


def test_twenty_changes_cost_no_request(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    expected = scores(workspace)
    sent: list[tuple[float, float, int, dict[str, object]]] = []
    stop = threading.Event()
    with running(folder) as server:

        def ask() -> None:
            with server.client() as client:
                while not stop.is_set():
                    begin = time.time()
                    answer = client.post("/predict/late", json=QUESTION)
                    sent.append((begin, time.time(), answer.status_code, answer.json()))

        clients = [threading.Thread(target=ask) for _ in range(2)]
        for client in clients:
            client.start()
        live = 1
        for turn in range(20):
            live = change(workspace, turn)
            since = time.time()  # an answer to an earlier request may be noted late, and be of the version before
            eventually(lambda: any(one[0] > since and one[3].get("version") == live for one in sent[-8:]))  # noqa: B023
        stop.set()
        for client in clients:
            client.join()
    assert {status for _, _, status, _ in sent} == {200}
    assert Counter(one["version"] for *_, one in sent).keys() == {1, 2, 3}
    assert all(one["score"] == expected[one["version"]] for *_, one in sent)
    agree_with_history(workspace, sent)
    kept = reading.predictions(workspace, "late").collect()
    assert kept.height == len(sent)
    versions_kept = dict(zip(kept["prediction_id"], kept["version"], strict=True))
    assert all(versions_kept[one["prediction_id"]] == one["version"] for *_, one in sent)


def scores(workspace: Workspace) -> dict[int, float | None]:
    found = {}
    for one in versions(workspace.ledger, "late"):
        predictor = open_predictor(workspace, one.digest, one.number)
        (answer,) = predictor.predict([QUESTION], at=now())
        found[one.number] = answer.score
    assert len(set(found.values())) == 3
    return found


def change(workspace: Workspace, turn: int) -> int:
    done = rollback(workspace) if turn % 2 else promote(workspace, 2 + turn // 2 % 2)
    assert done.live is not None
    return done.live


def agree_with_history(workspace: Workspace, sent: list[tuple[float, float, int, dict[str, object]]]) -> None:
    spans = history(workspace.ledger, "late")
    assert len(spans) == 21
    assert all(span.until is not None for span in spans)

    def covered(begin: float, end: float, version: object) -> bool:
        return any(
            span.version == version and seconds(span.since) <= end and begin <= seconds(span.until) for span in spans
        )

    assert all(covered(begin, end, one["version"]) for begin, end, _, one in sent)
    at = {row["prediction_id"]: row for row in reading.predictions(workspace, "late").collect().to_dicts()}
    for *_, one in sent:
        moment = seconds(at[one["prediction_id"]]["at"])
        assert covered(moment, moment, one["version"])


def seconds(moment: datetime | None) -> float:
    assert moment is not None
    return moment.timestamp()


def test_a_model_comes_and_goes_without_a_restart(folder: Path, workspace: Workspace) -> None:
    with running(folder) as server, server.client() as client:
        assert client.get("/readyz").status_code == 503
        assert client.post("/predict/late", json=ROW).status_code == 404
        promote(workspace, 1)
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/predict/late", json=ROW).json()["version"] == 1
        retire(workspace)
        eventually(lambda: client.post("/predict/late", json=ROW).status_code == 404)
        assert client.post("/labels/late", json={"key": "F1", "value": True}).status_code == 200
    (span,) = history(workspace.ledger, "late")
    assert span.until is not None
