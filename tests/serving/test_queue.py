"""What waits for people: unsure answers and refused rows, listed, claimed by one, resolved by a label."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from late_project import CONTRACT, MODEL, ROW, build, promote
from running import Running, running

from outlast.errors import Conflict, NotFound
from outlast.journal.journal import Journal, seal
from outlast.journal.reading import actions, labels, predictions, refusals
from outlast.journal.strays import strays
from outlast.project.workspace import Workspace
from outlast.serving.queue import Saying, claim, resolve, waiting
from outlast.types import now

SERVING = """
[serving]
unsure = [0.45, 1.0]
queue = ["unsure", "refused"]
"""
SURE = {**ROW, "origin": "LGA", "distance": 900.0}


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A model that has people answer what it is unsure of."""
    folder = tmp_path_factory.mktemp("asking") / "late"
    promote(build(folder, 1, model=MODEL, contract=CONTRACT + SERVING), 1)
    with running(folder) as found:
        yield found


@pytest.fixture
def client(asking: Running) -> Iterator[httpx.Client]:
    with asking.client() as found:
        yield found


def predicted(client: httpx.Client, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/predict/late", json={**ROW, **more}).raise_for_status().json()
    return found


def queued(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/queue/late").raise_for_status().json()["waiting"]
    return found


def ids(client: httpx.Client) -> list[str]:
    return [one["prediction_id"] for one in queued(client)]


def test_an_unsure_answer_keeps_its_decision_says_so_and_waits(client: httpx.Client, asking: Running) -> None:
    unsure, sure = predicted(client, flight="Q1"), client.post("/predict/late", json=SURE).json()
    assert unsure["score"] >= 0.45 > sure["score"]
    assert (unsure["unsure"], "unsure" in sure, unsure["decision"]) == (True, False, "yes")
    found = {one["prediction_id"]: one for one in queued(client)}
    assert sure["prediction_id"] not in found
    mine = found[unsure["prediction_id"]]
    assert (mine["why"], mine["key"], mine["decision"], mine["score"]) == ("unsure", "Q1", "yes", unsure["score"])
    assert mine["asks"]["tailnum"] == "N1"
    assert mine["claimed_by"] is None


def test_a_refused_row_is_kept_counted_and_waits_though_it_is_no_prediction(
    client: httpx.Client, asking: Running
) -> None:
    before = predictions(asking.workspace, "late").collect().height
    bad = {**ROW, "flight": "Q2", "tailnum": None, "distance": "far"}
    answer = client.post("/predict/late", json={"rows": [SURE, bad]})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["row"], error["field"]) == (1, "tailnum")
    mine = next(one for one in queued(client) if one["prediction_id"] == error["prediction_id"])
    assert (mine["why"], mine["key"], mine["decision"], mine["score"]) == ("refused", "Q2", None, None)
    assert mine["asks"] == {**{k: v for k, v in ROW.items() if k != "flight"}, "tailnum": None, "distance": "far"}
    assert mine["reasons"] == [error["message"]]
    assert predictions(asking.workspace, "late").collect().height == before
    counted = 'outlast_rows_refused_total{about="tailnum",cause="missing",model="late",version="1"} 1.0'
    assert counted in client.get("/metrics").text
    assert client.post("/predict/late", json={"rows": []}).status_code == 422  # of a malformed request nothing is kept
    assert refusals(asking.workspace, "late").collect().height == 1
    told = client.post(f"/queue/late/{error['prediction_id']}/resolve", json={"value": True, "by": "ada"})
    assert told.status_code == 200, told.text
    assert strays(asking.workspace, "late").unknown == 0


def test_of_two_people_at_once_one_gets_the_question(client: httpx.Client) -> None:
    name = predicted(client)["prediction_id"]
    people = [f"person {n}" for n in range(8)]

    def ask(by: str) -> int:
        return client.post(f"/queue/late/{name}/claim", json={"by": by}).status_code

    with ThreadPoolExecutor(8) as pool:
        said = dict(zip(people, pool.map(ask, people), strict=True))
    assert sorted(said.values()) == [200] + [409] * 7
    winner = next(by for by, status in said.items() if status == 200)
    assert next(one for one in queued(client) if one["prediction_id"] == name)["claimed_by"] == winner
    assert ask(winner) == 200  # claimed again, it is held for longer
    loser = next(by for by in people if by != winner)
    refused = client.post(f"/queue/late/{name}/resolve", json={"value": True, "by": loser})
    assert (refused.status_code, f"is claimed by {winner} until" in refused.json()["error"]["message"]) == (409, True)
    assert client.post(f"/queue/late/{name}/resolve", json={"value": True, "by": winner}).status_code == 200
    assert name not in ids(client)
    assert ask(winner) == 404


def test_a_resolution_is_a_label_and_says_who_and_why(client: httpx.Client, asking: Running) -> None:
    name = predicted(client)["prediction_id"]
    body = {"value": False, "comment": "It landed early", "by": "ada"}
    done = client.post(f"/queue/late/{name}/resolve", json=body)
    assert done.json() == {"model": "late", "prediction_id": name, "value": False, "by": "ada"}
    kept = labels(asking.workspace, "late").collect().filter(prediction_id=name)
    assert kept.select("value", "origin").row(0) == ("false", "queue, ada")
    acted = actions(asking.workspace, "late").collect().filter(prediction_id=name)
    assert acted.select("action", "comment", "by").rows() == [("resolved", "It landed early", "ada")]


def test_what_does_not_wait_is_not_resolved_but_labelled(client: httpx.Client) -> None:
    sure = client.post("/predict/late", json=SURE).json()["prediction_id"]
    once = predicted(client)["prediction_id"]
    body = {"value": True, "by": "ada"}
    assert client.post(f"/queue/late/{once}/resolve", json=body).status_code == 200
    for name in (sure, once):
        told = client.post(f"/queue/late/{name}/resolve", json=body)
        assert (told.status_code, "`outlast label`" in told.json()["error"]["message"]) == (404, True)


def test_whatever_has_a_label_waits_no_more_also_when_all_is_sealed(client: httpx.Client, asking: Running) -> None:
    by_id, by_key, left = (predicted(client, flight=key)["prediction_id"] for key in ("R1", "R2", "R3"))
    told = [{"prediction_id": by_id, "value": True}, {"key": "R2", "value": True}]
    client.post("/labels/late", json={"labels": told}).raise_for_status()
    for _ in range(2):
        assert {by_id, by_key, left} & set(ids(client)) == {left}
        seal(asking.workspace)
    found = queued(client)
    assert [one["at"] for one in found] == sorted(one["at"] for one in found)


def test_a_claim_runs_out_by_itself(client: httpx.Client, asking: Running) -> None:
    name, place, at = predicted(client)["prediction_id"], asking.workspace, now()
    claim(place, "late", name, by="ada", now=at)
    with pytest.raises(Conflict, match="is claimed by ada until"):
        claim(place, "late", name, by="bob", now=at + timedelta(minutes=29))
    assert waiting(place, "late", now=at + timedelta(minutes=31))[-1].claimed_by is None
    claim(place, "late", name, by="bob", now=at + timedelta(minutes=31))
    assert waiting(place, "late", now=at + timedelta(minutes=32))[-1].claimed_by == "bob"
    assert waiting(place, "late", now=at + timedelta(days=31)) == []
    with Journal(place) as journal, pytest.raises(Conflict, match="is claimed by bob"):
        resolve(place, journal, name, Saying(True), by="ada", now=at + timedelta(minutes=32))


FAULTS: list[tuple[str, Any, int, str]] = [
    ("claim", {}, 422, "'by' does not say who you are"),
    ("claim", {"who": "ada"}, 422, "'who' is not a field here"),
    ("claim", [], 422, "The body is not an object"),
    ("resolve", {"by": "ada"}, 422, "field 'value' is missing"),
    ("resolve", {"by": "ada", "value": "perhaps"}, 422, "expected true or false"),
    ("resolve", {"by": "ada", "value": True, "comment": ""}, 422, "The comment is not a text"),
    ("resolve", {"by": "ada", "value": True, "comment": 7}, 422, "'comment' is not a text"),
]


@pytest.mark.parametrize(("verb", "body", "status", "says"), FAULTS, ids=[f"{v} {s}" for v, _, _, s in FAULTS])
def test_what_cannot_be_done_is_said_and_leaves_the_question_where_it_was(
    client: httpx.Client, verb: str, body: Any, status: int, says: str
) -> None:
    name = predicted(client)["prediction_id"]
    answer = client.post(f"/queue/late/{name}/{verb}", json=body)
    assert (answer.status_code, says in answer.json()["error"]["message"]) == (status, True), answer.text
    assert next(one for one in queued(client) if one["prediction_id"] == name)["claimed_by"] is None


def test_what_is_not_there_is_not_found(client: httpx.Client, asking: Running) -> None:
    assert client.get("/queue/lat").status_code == 404
    for verb, body in (("claim", {"by": "ada"}), ("resolve", {"by": "ada", "value": True})):
        assert client.post(f"/queue/late/0123456789/{verb}", json=body).status_code == 404
    name = predicted(client)["prediction_id"]
    with Journal(asking.workspace) as journal, pytest.raises(NotFound, match="is a prediction of late, not of other"):
        resolve(asking.workspace, journal, name, Saying(True, model="other"), by="ada", now=now())


def test_without_a_queue_in_the_contract_nothing_waits_and_no_field_of_a_refused_row_is_kept(
    trained: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "late"))
    promote(Workspace.find(folder), 1)
    with running(folder) as server, server.client() as plain:
        assert "unsure" not in predicted(plain)
        assert plain.post("/predict/late", json={"origin": "JFK"}).status_code == 422
        assert queued(plain) == []
        (row,) = refusals(server.workspace, "late").collect().to_dicts()
        assert (row["asks"], row["rung"], row["decision"]) == ("{}", "refused", None)
