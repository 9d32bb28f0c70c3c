"""What people did with an answer: taken over HTTP, by hand and from a program, kept beside it, told by `why`."""

from typing import Any

import httpx
import pytest
from late_project import ROW
from running import Running

from outlast.errors import NotFound
from outlast.evidence.why import why_prediction
from outlast.journal.journal import seal
from outlast.journal.reading import actions
from outlast.serving.actions import act


def answered(client: httpx.Client, **more: Any) -> str:
    found: str = client.post("/predict/late", json={**ROW, **more}).raise_for_status().json()["prediction_id"]
    return found


def test_actions_are_kept_beside_the_answer_and_told_in_order(client: httpx.Client, server: Running) -> None:
    name = answered(client, flight="X1")
    body = {"actions": [{"prediction_id": name, "action": "overridden", "comment": "The gate was closed", "by": "ada"}]}
    assert client.post("/actions/late", json=body).json() == {"model": "late", "accepted": 1}
    by_key = {"key": "X1", "comment": "Came 40 minutes late"}
    assert client.post("/actions/late", json=by_key).json()["accepted"] == 1
    other = answered(client, flight="X2")
    client.post("/actions/late", json={"prediction_id": other, "action": "followed"}).raise_for_status()
    act(server.workspace, name[:22], {"action": "ignored", "comment": None}, by="bob")
    server.workspace.ledger.dispose()

    about = why_prediction(server.workspace, name).prediction
    assert about is not None
    assert [(one.action, one.comment, one.by, one.origin) for one in about.actions] == [
        ("overridden", "The gate was closed", "ada", "http"),
        ("commented", "Came 40 minutes late", None, "http"),
        ("ignored", None, "bob", "command"),
    ]
    assert [one.action for one in why_prediction(server.workspace, other).prediction.actions] == ["followed"]  # type: ignore[union-attr]
    seal(server.workspace)
    told = why_prediction(server.workspace, name).plain()["prediction"].actions
    assert [one.by for one in told] == ["ada", None, "bob"]
    assert actions(server.workspace, "late").collect().height == 4


FAULTS: list[tuple[Any, str]] = [
    (
        {"prediction_id": "a"},
        "Action 0, field 'action' is missing: expected followed, overridden, ignored, or a comment",
    ),
    ({"prediction_id": "a", "action": "folowed"}, "did you mean 'followed'?"),
    ({"prediction_id": "a", "action": "resolved"}, "field 'action' is 'resolved'"),
    ({"prediction_id": "a", "action": 5}, "expected followed, overridden, ignored"),
    ({"action": "followed"}, "field 'prediction_id' and key: expected exactly one of the two"),
    ({"prediction_id": "a", "key": "b", "action": "followed"}, "expected exactly one of the two"),
    ({"prediction_id": 5, "action": "followed"}, "is not the text that a prediction was answered with"),
    ({"key": {"flight": None}, "action": "followed"}, "field 'key' has 'None' as 'flight'"),
    ({"prediction_id": "a", "comment": ""}, "field 'comment' is not a text of 1 to 2,000 characters"),
    ({"prediction_id": "a", "action": "followed", "comment": "x" * 2001}, "field 'comment' is not a text"),
    ({"prediction_id": "a", "action": "followed", "did": 1}, "field 'did' is not a field of an action"),
    ({"actions": []}, "'actions' is not an array of actions standing alone"),
    ({"actions": [{"key": "A", "action": "followed"}, 5]}, "Action 1 is not an object"),
    ([], "The body is not an object"),
]


@pytest.mark.parametrize(("body", "says"), FAULTS, ids=[says[-40:] for _, says in FAULTS])
def test_what_is_no_action_is_refused_in_one_sentence_and_nothing_is_kept(
    client: httpx.Client, server: Running, body: Any, says: str
) -> None:
    before = actions(server.workspace, "late").collect().height
    answer = client.post("/actions/late", json=body)
    assert (answer.status_code, says in answer.json()["error"]["message"]) == (422, True), answer.text
    assert actions(server.workspace, "late").collect().height == before


def test_an_action_on_no_model_or_no_prediction_is_not_found(client: httpx.Client, server: Running) -> None:
    answer = client.post("/actions/lat", json={"key": "A", "action": "followed"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        404,
        "There is no model 'lat': did you mean 'late'?",
    )
    with pytest.raises(NotFound, match="There is no prediction 'ffffffff'"):
        act(server.workspace, "ffffffff", {"action": "followed"}, by="ada")
