"""The Open Inference Protocol over HTTP: the same answers as any other way, by a real client and by hand."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
import tritonclient.http as triton
from late_project import ROW
from numbers_project import CLASSES
from running import Running
from tritonclient.utils import InferenceServerException

from outlast.journal import reading

INFER = "/v2/models/late/infer"
PLANKS = [[12.5, 3.25, 2.0], [20.0, 1.5, 7.0]]
NAMES = ["width", "length", "knots"]
DATATYPES = {"origin": "BYTES", "tailnum": "BYTES", "distance": "FP64", "scheduled_at": "BYTES"}
EVERY = ["decision", "score", "rung", "prediction_id", "reasons", "warnings"]


def tensor(name: str, values: list[Any], datatype: str | None = None, **more: Any) -> dict[str, Any]:
    datatype = datatype or DATATYPES[name]
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values, **more}


def columns(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [tensor(name, [row[name] for row in rows]) for name in ROW]


def ask(client: httpx.Client, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post(INFER, json={"inputs": columns(*rows or (ROW,)), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def outputs(body: dict[str, Any]) -> dict[str, list[Any]]:
    return {one["name"]: one["data"] for one in body["outputs"]}


@pytest.fixture(scope="module")
def tritons(server: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(server.address.removeprefix("http://")) as found:
        yield found


def test_named_columns_get_the_answer_of_every_other_way(server: Running, client: httpx.Client) -> None:
    expected = client.post("/predict/late", json={"rows": [ROW, {**ROW, "origin": "ABC"}]}).json()["predictions"]
    body = {"inputs": columns(ROW, {**ROW, "origin": "ABC"}), "id": "mine"}
    answer = client.post(INFER, json=body, headers={"x-request-id": "oip-1"})
    found = answer.json()
    assert (found["model_name"], found["model_version"], found["id"]) == ("late", "1", "mine")
    assert answer.headers["x-request-id"] == "oip-1"
    assert [(one["name"], one["shape"]) for one in found["outputs"]] == [(name, [2]) for name in EVERY]
    values = outputs(found)
    for name in ("decision", "score", "rung"):
        assert values[name] == [one[name] for one in expected]
    assert values["warnings"] == ["", expected[1]["warnings"][0]]
    kept = reading.predictions(server.workspace, "late").filter(pl.col("request_id") == "oip-1").collect()
    assert sorted(kept["prediction_id"]) == sorted(values["prediction_id"])


def test_the_key_and_the_moment_may_come_as_tensors(server: Running, client: httpx.Client) -> None:
    inputs = [*columns(ROW), tensor("flight", ["K7"], "BYTES"), tensor("decide_at", ["2013-06-20T00:00:00Z"], "BYTES")]
    (name,) = outputs(client.post(INFER, json={"inputs": inputs}).json())["prediction_id"]
    kept = reading.predictions(server.workspace, "late").filter(pl.col("prediction_id") == name).collect()
    assert (kept["key"][0], str(kept["decide_at"][0])[:10]) == ("K7", "2013-06-20")


def test_only_the_outputs_asked_for_are_given(client: httpx.Client) -> None:
    found = ask(client, outputs=[{"name": "score"}, {"name": "decision"}])
    assert list(outputs(found)) == ["score", "decision"]
    assert "id" not in found


def test_one_tensor_of_numbers_stands_for_all_columns(numbers: Running) -> None:
    with numbers.client() as client:
        rows = [dict(zip(NAMES, row, strict=True)) for row in PLANKS]
        expected = client.post("/predict/grade", json={"rows": rows}).json()["predictions"]
        for datatype, data in (("FP64", PLANKS), ("FP64", [*PLANKS[0], *PLANKS[1]]), ("FP32", PLANKS)):
            whole = {"name": "x", "datatype": datatype, "shape": [2, 3], "data": data}
            found = client.post("/v2/models/grade/versions/1/infer", json={"inputs": [whole]}).json()
            values = outputs(found)
            assert values["decision"] == [one["decision"] for one in expected]
            assert values["classes"] == CLASSES
            assert values["scores"] == [one["scores"][name] for one in expected for name in CLASSES]


def test_null_in_a_tensor_is_a_missing_value(numbers: Running) -> None:
    with numbers.client() as client:
        row = {"width": 12.5, "length": None, "knots": 2}
        expected = client.post("/predict/grade", json=row).json()
        whole = {"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [[12.5, None, 2]]}
        separate = [tensor("width", [12.5], "FP32"), tensor("length", [None], "FP64"), tensor("knots", [2], "INT64")]
        raw = np.array([[12.5, np.nan, 2]]).tobytes()
        found = [client.post("/v2/models/grade/infer", json={"inputs": inputs}) for inputs in ([whole], separate)]
        found.append(post_bytes(client, "/v2/models/grade/infer", [("x", "FP64", [1, 3], raw)]))
        for answer in found:
            assert outputs(answer.json())["scores"] == [expected["scores"][name] for name in CLASSES]


def post_bytes(
    client: httpx.Client, path: str, inputs: list[tuple[str, str, list[int], bytes]], **more: Any
) -> httpx.Response:
    heads = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
        for name, datatype, shape, raw in inputs
    ]
    head = json.dumps({"inputs": heads, **more}).encode()
    body = head + b"".join(raw for *_, raw in inputs)
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return client.post(path, content=body, headers=headers)


def test_triton_learns_what_is_served(tritons: Any) -> None:
    assert tritons.is_server_live()
    assert tritons.is_server_ready()
    assert tritons.is_model_ready("late")
    assert tritons.is_model_ready("late", "1")
    assert not tritons.is_model_ready("late", "2")
    assert not tritons.is_model_ready("never")
    assert tritons.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    told = tritons.get_model_metadata("late")
    assert {one["name"]: one["datatype"] for one in told["inputs"] if "parameters" not in one} == DATATYPES
    assert [one["name"] for one in told["inputs"] if "parameters" in one] == ["flight", "decide_at"]
    assert [one["name"] for one in told["outputs"]] == EVERY
    assert told["versions"] == ["1"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_triton_gets_the_answer_of_every_other_way(
    tritons: Any, client: httpx.Client, binary_in: bool, binary_out: bool
) -> None:
    expected = client.post("/predict/late", json=ROW).json()
    inputs = []
    for name, value in ROW.items():
        kind = np.float64 if DATATYPES[name] == "FP64" else np.object_
        inputs.append(triton.InferInput(name, [1], DATATYPES[name]))
        inputs[-1].set_data_from_numpy(np.array([value], dtype=kind), binary_data=binary_in)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("score", "decision", "warnings")]
    for asked in (wanted, None):
        found = tritons.infer("late", inputs, request_id="seven", outputs=asked)
        assert found.get_response()["id"] == "seven"
        assert found.as_numpy("score").tolist() == [expected["score"]]
        decision = found.as_numpy("decision").tolist()[0]
        assert (decision.decode() if isinstance(decision, bytes) else decision) == expected["decision"]


def test_triton_sends_a_matrix_as_it_does_by_default(numbers: Running) -> None:
    with numbers.client() as client, triton.InferenceServerClient(numbers.address.removeprefix("http://")) as tritons:
        rows = [dict(zip(NAMES, row, strict=True)) for row in PLANKS]
        expected = client.post("/predict/grade", json={"rows": rows}).json()["predictions"]
        whole = triton.InferInput("input-0", [2, 3], "FP64")
        whole.set_data_from_numpy(np.array(PLANKS))
        found = tritons.infer("grade", [whole])
        assert found.as_numpy("scores").tolist() == [[one["scores"][name] for name in CLASSES] for one in expected]
        assert found.as_numpy("classes").tolist() == [name.encode() for name in CLASSES]


def test_triton_reads_our_errors(tritons: Any) -> None:
    whole = triton.InferInput("origin", [1], "BYTES")
    whole.set_data_from_numpy(np.array(["JFK"], dtype=np.object_))
    with pytest.raises(InferenceServerException, match=r"^\[422\] Row 0, field 'tailnum' is missing: expected text"):
        tritons.infer("late", [whole])
    with pytest.raises(InferenceServerException, match=r"^\[404\] No model 'lat' is served here: did you mean 'late'"):
        tritons.get_model_metadata("lat")


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "no inference request: object missing required field inputs"),
    ({"inputs": 7}, "no inference request"),
    ({"inputs": []}, "no inputs"),
    ({"inputs": columns(ROW), "id": 7}, "no inference request: 'id' expected str | null, got int"),
    ({"inputs": columns(ROW), "outputs": [{"name": "scroe"}]}, "did you mean 'score'?"),
    ({"inputs": columns(ROW), "outputs": [{"name": "score", "parameters": {"classification": 3}}]}, "classification"),
    ({"inputs": [*columns(ROW), tensor("origin", ["JFK"])]}, "'origin' comes twice"),
    ({"inputs": [tensor("origin", ["JFK", "LGA"]), tensor("distance", [1.0])]}, "has 1 rows, and 'origin' has 2"),
    ({"inputs": [tensor("distance", [1.0], "FP23")]}, "which is none here: did you mean 'FP32'?"),
    ({"inputs": [tensor("distance", ["far"])]}, "has 'far' among its values: expected FP64"),
    ({"inputs": [tensor("distance", [True])]}, "has True among its values"),
    ({"inputs": [tensor("distance", [[1.0], 2.0])]}, "has a list among its values"),
    ({"inputs": [{**tensor("distance", [[1.0, 2.0], []]), "shape": [2, 1]}]}, "has a row of 2 values"),
    ({"inputs": [tensor("distance", [[1.0]])]}, "has a list among its values"),
    ({"inputs": [tensor("distance", [{}])]}, "has an object among its values"),
    ({"inputs": [tensor("distance", [10**400])]}, "FP64 cannot hold"),
    ({"inputs": [tensor("distance", [300], "UINT8")]}, "expected 0 to 255"),
    ({"inputs": [{**tensor("distance", [1.0]), "shape": [2]}]}, "has 1 values, and its shape [2] means 2"),
    ({"inputs": [{**tensor("distance", [1.0]), "shape": []}]}, "expected [rows] or [rows, columns]"),
    ({"inputs": [{**tensor("distance", [1.0]), "shape": [1, 1, 1]}]}, "expected [rows] or [rows, columns]"),
    ({"inputs": [{**tensor("distance", [1.0]), "shape": [-1]}]}, "expected [rows] or [rows, columns]"),
    ({"inputs": [{**tensor("distance", [1.0] * 4), "shape": [2, 2]}]}, "expected [rows] or [rows, 1]"),
    ({"inputs": [{**tensor("distance", []), "shape": [10**9]}]}, "more than 10000"),
    ({"inputs": [{**tensor("distance", []), "shape": [0]}]}, "no rows"),
    ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1, 2, 3, 4]}]}, "'origin' is no number"),
    ({"inputs": [{"name": "distance", "datatype": "FP64", "shape": [1]}]}, "has no data"),
    ({"inputs": [tensor("distance", [1.0], parameters={"shared_memory_region": "r"})]}, "shared memory"),
    ({"inputs": [tensor("distance", [1.0], parameters={"binary_data_size": 8})]}, "bytes behind the JSON, and no data"),
    ({"inputs": [tensor("distance", [None]), *columns(ROW)[:2]]}, "field 'distance' is null"),
]


@pytest.mark.parametrize(("body", "said"), FAULTS)
def test_a_wrong_request_is_refused_with_one_sentence(client: httpx.Client, body: dict[str, Any], said: str) -> None:
    answer = client.post(INFER, content=json.dumps(body), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["kind"]) == (422, "request")
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([("distance", "FP64", [1], b"1234")], "has 4 bytes of FP64: expected 8"),
        ([("origin", "BYTES", [1], b"\x01")], "ends in the middle of text 0"),
        ([("origin", "BYTES", [1], b"\x09\0\0\0JFK")], "ends in the middle of text 0"),
        ([("origin", "BYTES", [1], b"\x01\0\0\0\xff")], "not UTF-8"),
        ([("origin", "BYTES", [1], b"\0\0\0\0" * 2)], "more than the 1 texts"),
        ([("origin", "BYTES", [2], b"\0\0\0\0")], "has 1 values, and its shape [2] means 2"),
    ],
)
def test_wrong_bytes_are_refused(client: httpx.Client, inputs: list[Any], said: str) -> None:
    answer = post_bytes(client, INFER, inputs)
    assert (answer.status_code, said in answer.json()["error"]) == (422, True)


def test_bytes_that_nothing_accounts_for_are_refused(client: httpx.Client) -> None:
    head = json.dumps({"inputs": columns(ROW)}).encode()
    for length, status in ((str(len(head)), 422), ("x", 400), (str(len(head) + 9), 400), ("3", 400)):
        headers = {"inference-header-content-length": length}
        assert client.post(INFER, content=head + b"more", headers=headers).status_code == status
    assert client.post(INFER, content=head, headers={"content-encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v2/modles", 404, "There is nothing at '/v2/modles'"),
        ("GET", INFER, 405, "use POST"),
        ("GET", "/v2/models/late/versions/7", 404, "Version '7' of late is not in service: expected 1"),
        ("POST", "/v2/models/other/infer", 404, "No model 'other' is served here"),
        ("POST", INFER, 400, "The body is empty"),
    ],
)
def test_errors_are_a_text_with_their_kind_beside_it(
    client: httpx.Client, method: str, path: str, status: int, said: str
) -> None:
    body = {"inputs": columns(ROW)} if "other" in path else None
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert isinstance(answer.json()["kind"], str)


def test_floats_travel_as_their_bits(client: httpx.Client) -> None:
    raw = {"distance": struct.pack("<d", ROW["distance"])}
    raw |= {name: struct.pack("<I", len(str(ROW[name]))) + str(ROW[name]).encode() for name in ROW if name not in raw}
    inputs = [(name, DATATYPES[name], [1], raw[name]) for name in ROW]
    answer = post_bytes(client, INFER, inputs, parameters={"binary_data_output": True}, outputs=[{"name": "score"}])
    length = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.content[:length])
    assert head["outputs"] == [
        {"name": "score", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}
    ]
    (score,) = struct.unpack("<d", answer.content[length:])
    assert score == client.post("/predict/late", json=ROW).json()["score"]


def test_answers_are_counted_and_nothing_was_an_accident(client: httpx.Client) -> None:
    lines = client.get("/metrics").text.splitlines()
    assert any('path="/v2/models/{model}/infer",status="200"' in line for line in lines)
    assert not [line for line in lines if 'status="5' in line]
