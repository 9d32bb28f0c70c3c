"""Explanations beside answers, asked for in every protocol, and never in the way of an answer."""

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from late_project import MODEL, ROW, build, promote
from running import Running, running

from outlast.bundle.predictor import Predictor, open_predictor
from outlast.errors import RequestError
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.explaining import Explaining, Wanted, fresh
from outlast.serving.metrics import Metrics
from outlast.types import ModelRef, now

TREES = """def fit(x, y, seed):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = ["distance", "wind", "delay_1d", "hour"]
    encode = make_column_transformer((hot, ["origin", "tailnum"]), ("passthrough", numbers))
    return make_pipeline(encode, HistGradientBoostingClassifier(max_iter=8, random_state=seed)).fit(x, y)


model = Model("""
BY_TREES = MODEL[: MODEL.index("def fit(")] + TREES + MODEL[MODEL.index("model = Model(") + len("model = Model(") :]
FIELDS = {"origin", "tailnum", "distance", "wind", "delay_1d", "hour"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("explained") / "late"
    workspace = build(found, 1, model=BY_TREES)
    promote(workspace, 1)
    workspace.ledger.dispose()
    return found


@pytest.fixture(scope="module")
def explained(folder: Path) -> Iterator[Running]:
    with running(folder, grpc_port=0) as found:
        yield found


@pytest.fixture
def client(explained: Running) -> Iterator[httpx.Client]:
    with explained.client() as found:
        yield found


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    workspace = Workspace.find(folder)
    version = find(workspace.ledger, ModelRef("late", 1))
    return open_predictor(workspace, version.digest, 1)


def whole(answer: dict[str, Any]) -> dict[str, Any]:
    """An explanation whose parts make its score."""
    found = answer["explanation"]
    assert {one["field"] for one in found["contributions"]} == FIELDS
    added = [one["by"] for one in found["contributions"]]
    assert added == sorted(added, key=abs, reverse=True)
    assert found["base"] + math.fsum(added) == pytest.approx(found["margin"], abs=1e-12)
    assert 1 / (1 + math.exp(-found["margin"])) == pytest.approx(answer["score"], abs=1e-12)
    assert 1 / (1 + math.exp(-found["base"])) == pytest.approx(found["base_score"], abs=1e-12)
    assert (found["of"], found["unit"], found["score"]) == ("yes", "log-odds", answer["score"])
    return found


def test_an_answer_is_taken_apart_in_the_requests_own_fields(client: httpx.Client) -> None:
    answer = client.post("/predict/late?explain=true", json=ROW).json()
    found = whole(answer)
    values = {one["field"]: one["value"] for one in found["contributions"]}
    assert (values["origin"], values["distance"], values["hour"]) == ("JFK", 500.0, 14)
    plain = client.post("/predict/late", json=ROW).json()
    assert set(answer) - set(plain) == {"explanation"}
    assert plain["score"] == answer["score"]
    assert 'outlast_step_seconds_count{step="explain"}' in client.get("/metrics").text


def test_each_row_has_its_own_and_no_is_the_other_side_of_yes(client: httpx.Client) -> None:
    rows = [ROW, {**ROW, "origin": "LGA"}, {**ROW, "origin": "ABC", "distance": 2900.0}]
    found = client.post("/predict/late?explain=true", json={"rows": rows}).json()["predictions"]
    assert len({json.dumps(whole(one)) for one in found}) == 3
    other = client.post("/predict/late?explain_of=no", json=ROW).json()
    assert other["explanation"]["of"] == "no"
    assert other["explanation"]["score"] == 1.0 - other["score"]
    assert other["explanation"]["margin"] == pytest.approx(-found[0]["explanation"]["margin"])


def test_mlflows_protocol_takes_it_as_a_parameter(client: httpx.Client) -> None:
    body = {"dataframe_records": [ROW], "params": {"explain": True}}
    whole(client.post("/invocations", json=body).json()["predictions"][0])
    quiet = client.post("/invocations", json={**body, "params": {"explain": False}}).json()["predictions"][0]
    assert "explanation" not in quiet
    lines = f"{','.join(ROW)}\n{','.join(str(one) for one in ROW.values())}\n"
    asked = client.post("/invocations?explain=true", content=lines, headers={"content-type": "text/csv"})
    whole(asked.json()["predictions"][0])


def test_the_inference_protocol_gives_it_as_one_more_output(explained: Running, client: httpx.Client) -> None:
    kinds = {name: "FP64" if isinstance(value, float) else "BYTES" for name, value in ROW.items()}
    inputs = [{"name": name, "datatype": kinds[name], "shape": [1], "data": [ROW[name]]} for name in ROW]
    asked = client.post("/v2/models/late/infer", json={"inputs": inputs, "parameters": {"explain": True}}).json()
    outputs = {one["name"]: one["data"] for one in asked["outputs"]}
    found = whole({"score": outputs["score"][0], **json.loads(outputs["explanation"][0])})
    plain = client.post("/v2/models/late/infer", json={"inputs": inputs}).json()
    assert "explanation" not in [one["name"] for one in plain["outputs"]]
    tensors = []
    for name, value in ROW.items():
        tensors.append(triton.InferInput(name, [1], kinds[name]))
        tensors[-1].set_data_from_numpy(np.array([value], dtype=np.float64 if kinds[name] == "FP64" else np.object_))
    with triton.InferenceServerClient(explained.grpc) as grpc:
        told = grpc.infer("late", tensors, parameters={"explain": True})
    assert json.loads(told.as_numpy("explanation")[0])["explanation"] == found


def test_what_was_answered_before_is_explained_from_the_journal(client: httpx.Client) -> None:
    named = {"x-request-id": "asked-twice"}
    first = client.post("/predict/late", json=ROW, headers=named).json()
    later = client.post("/predict/late?explain=true", json=ROW, headers=named).json()
    assert later["prediction_id"] == first["prediction_id"]
    whole(later)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("explain=maybe", "neither true nor false"),
        ("explain_of=perhaps", "There is no outcome 'perhaps'"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_an_answer(client: httpx.Client, query: str, says: str) -> None:
    answer = client.post(f"/predict/late?{query}", json=ROW)
    assert (answer.status_code, says in answer.json()["error"]["message"]) == (422, True)


def test_a_thousand_rows_are_too_many(client: httpx.Client) -> None:
    rows = [ROW] * 101
    assert client.post("/predict/late", json={"rows": rows}).status_code == 200
    assert client.post("/predict/late?explain=true", json={"rows": rows}).status_code == 422


def test_a_model_that_is_not_compiled_says_so_beside_its_answer(numbers: Running) -> None:
    with numbers.client() as client:
        row = {"width": 12.5, "length": 3.25, "knots": 2}
        answer = client.post("/predict/grade?explain=true", json=row).json()
        assert answer["explanation"] is None
        assert answer["unexplained"].startswith("No contributions: only models that are compiled are explained")
        assert "Centres has no compiled form" in answer["unexplained"]
        assert answer["rung"] == "full"


def asked(explaining: Explaining, predictor: Predictor, rows: int = 1, until: float | None = None) -> Any:
    answers = predictor.predict([ROW] * rows, at=now())
    return asyncio.run(explaining.told(fresh(predictor, Wanted()), answers, until=until))


def test_where_too_many_wait_an_answer_goes_without(folder: Path, predictor: Predictor) -> None:
    explaining = Explaining(Workspace.find(folder), Metrics(), room=2)
    try:
        assert all(one.explanation for one in asked(explaining, predictor, 2))
        told = asked(explaining, predictor, 3)
        assert all("too many explanations wait" in (one.unexplained or "") for one in told)
        assert asked(explaining, predictor, 1)[0].explanation
    finally:
        explaining.stop()


def test_an_explanation_does_not_hold_an_answer_longer_than_its_caller_waits(
    folder: Path, predictor: Predictor
) -> None:
    explaining, free = Explaining(Workspace.find(folder), Metrics()), threading.Event()
    try:
        explaining._thread.submit(free.wait)
        (told,) = asked(explaining, predictor, until=0.0)
        assert "ran out" in (told.unexplained or "")
    finally:
        free.set()
        explaining.stop()


def test_a_regression_has_no_outcomes_to_choose_from(predictor: Predictor) -> None:
    with pytest.raises(RequestError, match="no outcome 'high'"):
        Wanted("high").require(predictor, [ROW])
