"""Every way to ask, right and wrong, through a real server."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import msgspec
import polars as pl
import pytest
from late_project import ROW
from running import Running, eventually

from outlast.bundle.predictor import Predictor, open_bundle
from outlast.journal import reading
from outlast.journal.sources import over_history, sources_of
from outlast.journal.spelling import from_text
from outlast.journal.strays import count
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef, now

JSON = {"content-type": "application/json"}
BIG = b'{"origin": "' + b"x" * 10_000_000 + b'"}'


def row(**changes: object) -> dict[str, object]:
    return {**ROW, **changes}


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in ROW.items() if key != name}


def journal(server: Running, prediction_id: str) -> dict[str, object]:
    found = reading.predictions(server.workspace, "late").filter(pl.col("prediction_id") == prediction_id).collect()
    assert found.height == 1
    return found.row(0, named=True)


def test_one_row_gets_one_flat_answer_that_is_in_the_journal(server: Running, client: httpx.Client) -> None:
    answer = client.post("/predict/late", json=row(flight="X1"), headers={"x-request-id": "mine"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "mine"
    found = answer.json()
    assert set(found) == {"model", "version", "prediction_id", "decision", "score", "rung", "reasons", "warnings"}
    assert (found["model"], found["version"], found["rung"], found["warnings"]) == ("late", 1, "full", [])
    kept = journal(server, found["prediction_id"])
    assert (kept["score"], kept["decision"], kept["version"]) == (found["score"], found["decision"], 1)
    assert (kept["request_id"], kept["key"]) == ("mine", "X1")
    assert from_text(str(kept["asks"]))["tailnum"] == "N1"


def test_several_rows_get_answers_in_order(client: httpx.Client) -> None:
    rows = [row(distance=float(n)) for n in range(5)]
    alone = [client.post("/predict/late", json=one).json()["score"] for one in rows]
    together = client.post("/predict/late", json={"rows": rows}).json()
    assert [one["score"] for one in together["predictions"]] == alone
    assert len(set(alone)) == 5
    assert together["version"] == 1


def test_a_large_request_is_answered_and_kept_whole(server: Running, client: httpx.Client) -> None:
    rows = [row(distance=float(n), flight=f"L{n}") for n in range(1000)]
    answer = client.post("/predict/late", json={"rows": rows}, headers={"x-request-id": "large"})
    assert len(answer.json()["predictions"]) == 1000
    kept = reading.predictions(server.workspace, "late").filter(pl.col("request_id") == "large").collect()
    assert sorted(kept["key"]) == sorted(f"L{n}" for n in range(1000))
    client.post("/predict/late", json=ROW).raise_for_status()


def test_small_requests_are_answered_while_a_large_one_is_under_way(server: Running) -> None:
    rows = {"rows": [row(distance=float(n)) for n in range(10_000)]}
    done = threading.Event()

    def large() -> int:
        with server.client() as one:
            status = one.post("/predict/late", json=rows).status_code
        done.set()
        return status

    with ThreadPoolExecutor() as pool, server.client() as other:
        sent = pool.submit(large)
        meanwhile = 0
        while not done.is_set():
            assert other.post("/predict/late", json=ROW).status_code == 200
            meanwhile += not done.is_set()
        assert sent.result() == 200
    assert meanwhile > 0


def test_a_category_never_seen_gets_an_answer_with_a_warning(client: httpx.Client) -> None:
    found = client.post("/predict/late", json=row(origin="XYZ")).json()
    assert found["rung"] == "full"
    assert "'origin' is 'XYZ'" in found["warnings"][0]


def test_a_field_nobody_asked_for_is_named_in_a_warning(client: httpx.Client) -> None:
    found = client.post("/predict/late", json=row(colour="red")).json()
    assert found["warnings"] == ["'colour' is not a field and was ignored"]


def fault(name: str, body: bytes, status: int, said: str, **more: object) -> object:
    return pytest.param(body, status, said, more, id=name)


@pytest.mark.parametrize(
    ("body", "status", "said", "more"),
    [
        fault("empty", b"", 400, "The body is empty"),
        fault("cut", b'{"origin": "JFK"', 400, "The body is not JSON"),
        fault("trailing", text(ROW) + b"}", 400, "The body is not JSON"),
        fault("not utf-8", b'{"origin": "\xff\xfe"}', 400, "not UTF-8"),
        fault("utf-16", json.dumps(ROW).encode("utf-16"), 400, "The body is not JSON"),
        fault("lone surrogate", b'{"origin": "\\ud800"}', 400, "The body is not JSON"),
        fault("nan", b'{"distance": NaN}', 400, "a number that JSON does not know"),
        fault("infinity", b'{"distance": Infinity}', 400, "a number that JSON does not know"),
        fault("minus infinity", b'{"distance": -Infinity}', 400, "a number that JSON does not know"),
        fault("too large a float", b'{"distance": 1e999}', 400, "The body is not JSON"),
        fault("huge int", b'{"distance": ' + b"9" * 5000 + b"}", 400, "The body is not JSON"),
        fault("deep", b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400, "nested too deeply"),
        fault("same field twice", b'{"origin": "JFK", "origin": "LGA"}', 400, "'origin' twice"),
        fault("twice, spelt otherwise", b'{"origin": "J", "\\u006frigin": "L"}', 400, "'origin' twice"),
        fault("twice, hidden by a colon", b'{"a": "\\u003a", "b": 1, "b": 2}', 400, "'b' twice"),
        fault("twice in one of the rows", b'{"rows": [{"a": 1}, {"a": 1, "a": 1}]}', 400, "'a' twice"),
        fault("array", b"[1, 2]", 422, "The body is an array"),
        fault("null", b"null", 422, "The body is null"),
        fault("number", b"3", 422, "The body is a number"),
        fault("rows no array", b'{"rows": {}}', 422, "'rows' is not an array", field="rows"),
        fault("rows empty", b'{"rows": []}', 422, "no rows"),
        fault("rows of numbers", b'{"rows": [1]}', 422, "Row 0", row=0),
        fault("beside rows", b'{"rows": [{}], "model": "x"}', 422, "'model' stands beside 'rows'", field="model"),
        fault("too many rows", text({"rows": [{}] * 10_001}), 422, "more than 10000"),
        fault("missing", text(without("distance")), 422, "'distance' is missing", row=0, field="distance"),
        fault("misspelt", text({**without("distance"), "distence": 1.0}), 422, "did you mean 'distance'?"),
        fault("null field", text(row(distance=None)), 422, "'distance' is null", row=0, field="distance"),
        fault("text for a number", text(row(distance="far")), 422, "expected a number", row=0, field="distance"),
        fault("truth for a number", text(row(distance=True)), 422, "expected a number", row=0, field="distance"),
        fault("number for a text", text(row(origin=5)), 422, "expected text", row=0, field="origin"),
        fault("object for a text", text(row(origin={"a": 1})), 422, "expected text", row=0, field="origin"),
        fault("array for a text", text(row(origin=["JFK"])), 422, "expected text", row=0, field="origin"),
        fault("no moment", text(row(scheduled_at="soon")), 422, "expected a moment", row=0, field="scheduled_at"),
        fault("year 10000", text(row(scheduled_at="10000-01-01")), 422, "expected a moment", field="scheduled_at"),
        fault("no time of decision", text(row(decide_at="soon")), 422, "expected a moment", field="decide_at"),
        fault("odd key", text(row(flight=["a"])), 422, "expected text", row=0, field="flight"),
        fault("bad second row", text({"rows": [ROW, row(distance="x")]}), 422, "Row 1", row=1, field="distance"),
        fault("same key twice", text({"rows": [row(flight="A")] * 2}), 422, "same 'flight'", row=1, field="flight"),
    ],
)
def test_a_wrong_body_is_refused_with_one_sentence(
    client: httpx.Client, body: bytes, status: int, said: str, more: dict[str, object]
) -> None:
    answer = client.post("/predict/late", content=body, headers={**JSON, "x-request-id": "bad-1"})
    check(answer, status, said)
    error = answer.json()["error"]
    assert {name: error.get(name) for name in more} == more
    assert answer.headers["x-request-id"] == "bad-1"


def check(answer: httpx.Response, status: int, said: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert {"kind", "message"} <= set(error) <= {"kind", "message", "row", "field"}
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 500
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("body", [ROW, {"rows": [ROW]}])
def test_a_huge_whole_number_is_refused_or_answered_never_an_accident(client: httpx.Client, body: object) -> None:
    sent = text(body).replace(b"500.0", b"9" * 400)
    check(client.post("/predict/late", content=sent, headers=JSON), 422, "'distance'")


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/predict/lates", 404, "did you mean 'late'?"),
        ("POST", "/predict/late@1", 404, "did you mean 'late'?"),
        ("POST", "/predict/", 404, "/predict/{model}"),
        ("POST", "/predict/a/b", 404, "nothing at '/predict/a/b'"),
        ("POST", "/predict/%00", 404, "No model"),
        ("GET", "/predict/late", 405, "use POST"),
        ("DELETE", "/predict/late", 405, "use POST"),
        ("OPTIONS", "/predict/late", 405, "use POST"),
        ("PUT", "/invocations", 405, "use POST"),
        ("POST", "/ping", 405, "use GET or HEAD"),
        ("GET", "/nothing", 404, "nothing at '/nothing'"),
        ("POST", "/labels/nobody", 404, "There is no model 'nobody'"),
        ("POST", "/facts/whether", 404, "did you mean 'weather'?"),
    ],
)
def test_a_wrong_path_or_method_names_the_right_one(
    client: httpx.Client, method: str, path: str, status: int, said: str
) -> None:
    answer = client.request(method, path, content=text(ROW), headers=JSON)
    check(answer, status, said)
    assert status != 405 or answer.headers["allow"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/json; charset=latin-1", 415),
        ("\xff", 415),
    ],
)
def test_the_content_type_is_json_or_refused(client: httpx.Client, kind: str, status: int) -> None:
    answer = client.post("/predict/late", content=text(ROW), headers=[(b"content-type", kind.encode("latin-1"))])
    assert answer.status_code == status
    if status != 200:
        check(answer, 415, "send")


@pytest.mark.parametrize("name", ["", "x" * 129, "caf\xe9", "a\tb"])
def test_an_odd_request_id_is_refused(client: httpx.Client, name: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-request-id", name.encode("latin-1"))]
    check(client.post("/predict/late", content=text(ROW), headers=headers), 400, "X-Request-Id")


def test_a_request_without_an_id_gets_one(client: httpx.Client) -> None:
    ids = {client.post("/predict/late", json=ROW).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_ten_megabytes_are_refused(client: httpx.Client) -> None:
    check(client.post("/predict/late", content=BIG, headers=JSON), 413, "larger than 8 MB")

    def parts() -> Iterator[bytes]:
        for start in range(0, len(BIG), 100_000):
            yield BIG[start : start + 100_000]

    check(client.post("/predict/late", content=parts(), headers=JSON), 413, "larger than 8 MB")
    client.post("/predict/late", json=ROW).raise_for_status()


def test_who_asks_before_sending_is_refused_before_sending(server: Running) -> None:
    with server.connect() as raw:
        raw.sendall(
            b"POST /predict/late HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 10000000000\r\nexpect: 100-continue\r\n\r\n"
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_who_sends_without_end_is_cut_off(server: Running) -> None:
    with server.connect() as raw:
        raw.sendall(b"POST /predict/late HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            raw.sendall(chunk * 200)


def test_who_leaves_in_the_middle_harms_nobody(server: Running, client: httpx.Client) -> None:
    for _ in range(5):
        with server.connect() as raw:
            raw.sendall(
                b"POST /predict/late HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                b'content-length: 1000\r\n\r\n{"origin": '
            )
    client.post("/predict/late", json=ROW).raise_for_status()
    eventually(lambda: 'status="499"} 5.0' in client.get("/metrics").text)


def test_who_does_not_wait_for_the_answer_has_it_in_the_journal(server: Running) -> None:
    body = text(ROW)
    with server.connect() as raw:
        raw.sendall(
            b"POST /predict/late HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"x-request-id: left\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
    kept = reading.predictions(server.workspace, "late").filter(pl.col("request_id") == "left")
    eventually(lambda: kept_again(server).height == 1)
    assert kept.collect().height <= 1


def kept_again(server: Running) -> pl.DataFrame:
    return reading.predictions(server.workspace, "late").filter(pl.col("request_id") == "left").collect()


COLUMNS = list(ROW)
FORMS = {
    "split": {"dataframe_split": {"columns": COLUMNS, "data": [list(ROW.values())]}},
    "split with index": {"dataframe_split": {"index": [0], "columns": COLUMNS, "data": [list(ROW.values())]}},
    "records": {"dataframe_records": [ROW]},
    "instances": {"instances": [ROW]},
    "instances in order": {"instances": [[ROW["origin"], ROW["tailnum"], ROW["distance"], ROW["scheduled_at"]]]},
    "inputs": {"inputs": {name: [value] for name, value in ROW.items()}},
    "inputs of one": {"inputs": ROW},
    "params": {"dataframe_records": [ROW], "params": {}},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_protocol_of_mlflow_gets_the_same_answer(client: httpx.Client, form: str) -> None:
    expected = client.post("/predict/late", json=ROW).json()["score"]
    answer = client.post("/invocations", json=FORMS[form])
    assert answer.status_code == 200, answer.text
    assert [one["score"] for one in answer.json()["predictions"]] == [expected]
    assert client.post("/invocations?model=late", json=FORMS[form]).status_code == 200


@pytest.mark.filterwarnings("ignore")  # of the making of MLflow, whose modules are loaded here
def test_the_client_of_mlflow_works_as_it_is(server: Running, client: httpx.Client, numbers: Running) -> None:
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    scoring = ScoringServerClient("127.0.0.1", server.port)
    scoring.wait_server_ready(timeout=60)
    assert scoring.get_version() == mlflow.__version__
    assert client.get("/health").status_code == 200
    expected = client.post("/predict/late", json=ROW).json()["score"]
    frame = pd.DataFrame([ROW, ROW])
    assert scoring.invoke(frame).get_predictions()["score"].tolist() == [expected] * 2
    table = np.array([[12.5, 3.25, 2.0], [20.0, 1.5, 7.0]])
    found = ScoringServerClient("127.0.0.1", numbers.port).invoke(table).get_predictions()
    assert found["rung"].tolist() == ["full", "full"]
    assert len(scoring.invoke(frame, params={}).get_predictions()) == 2
    with pytest.raises(Exception, match="'threshold' is no parameter"):
        scoring.invoke(frame, params={"threshold": 0.5})


def test_csv_is_read_by_the_types_of_training(client: httpx.Client) -> None:
    lines = [",".join(COLUMNS), ",".join(str(value) for value in ROW.values()), '"JFK",N1,500,2013-06-28T14:00:00Z']
    answer = client.post("/invocations", content="\r\n".join(lines), headers={"content-type": "text/csv"})
    expected = client.post("/predict/late", json=ROW).json()["score"]
    assert [one["score"] for one in answer.json()["predictions"]] == [expected, expected]
    assert (answer.json()["model"], answer.json()["version"]) == ("late", 1)


@pytest.mark.parametrize("path", ["/predict/late", "/invocations"])
def test_a_misspelt_parameter_of_the_address_is_named(client: httpx.Client, path: str) -> None:
    body = ROW if path == "/predict/late" else {"instances": [ROW]}
    check(client.post(f"{path}?explian=true", json=body), 422, "'explian' is no parameter of this address")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "0 forms of rows"),
        ({"rows": [ROW]}, "'rows' is no part of this protocol"),
        ({"instances": [ROW], "inputs": ROW}, "2 forms of rows"),
        ({"dataframe_splits": {}}, "did you mean 'dataframe_split'?"),
        ({"dataframe_split": []}, "not in its form"),
        ({"dataframe_split": {"columns": [1], "data": [[1]]}}, "not in its form"),
        ({"dataframe_split": {"columns": COLUMNS, "data": [[1]]}}, "has 1 values: expected 4"),
        ({"dataframe_split": {"columns": COLUMNS, "data": [7]}}, "has no array"),
        ({"dataframe_records": {}}, "not in its form"),
        ({"dataframe_records": [7]}, "Row 0"),
        ({"instances": 7}, "not in its form"),
        ({"instances": []}, "no rows"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "differ in length"),
        ({"inputs": 7}, "not in its form"),
        ({"instances": [ROW], "params": {"a": 1}}, "'a' is no parameter"),
        ([], "not an object"),
    ],
)
def test_what_that_protocol_does_not_know_is_refused(client: httpx.Client, body: object, said: str) -> None:
    check(client.post("/invocations", json=body), 422, said)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "empty"),
        (b"\xff", 400, "not UTF-8"),
        (b'origin\n"JFK', 400, "cannot be read"),
        (b"origin,origin\na,b", 400, "'origin' comes twice"),
        (b"origin\na,b", 422, "has 2 values"),
        (b"origin\n", 422, "no rows"),
        (b"origin,tailnum,distance,scheduled_at\nJFK,N1,far,2013-06-28T14:00:00Z", 422, "expected a number"),
        (b"origin,tailnum,distance,scheduled_at\nJFK,N1,inf,2013-06-28T14:00:00Z", 422, "between -3.4e+38 and 3.4e+38"),
        (b"origin,tailnum,distance,scheduled_at\nJFK,N1,nan,2013-06-28T14:00:00Z", 422, "'distance' is null"),
        (b"origin,tailnum,distance,scheduled_at\nJFK,N1,,2013-06-28T14:00:00Z", 422, "'distance' is null"),
    ],
)
def test_a_wrong_csv_is_refused(client: httpx.Client, body: bytes, status: int, said: str) -> None:
    check(client.post("/invocations", content=body, headers={"content-type": "text/csv"}), status, said)


def test_labels_find_their_predictions(server: Running, client: httpx.Client) -> None:
    by_id = client.post("/predict/late", json=ROW).json()["prediction_id"]
    by_key = client.post("/predict/late", json=row(flight="K1")).json()["prediction_id"]
    body = {"labels": [{"prediction_id": by_id, "value": True}, {"key": {"flight": "K1"}, "value": 0}]}
    assert client.post("/labels/late", json=body).json() == {"model": "late", "accepted": 2}
    correction = {"key": "K1", "value": True, "known_at": "2013-06-30T00:00:00Z"}
    assert client.post("/labels/late", json=correction).json()["accepted"] == 1
    found = reading.joined(server.workspace, "late").filter(pl.col("prediction_id").is_in([by_id, by_key])).collect()
    values = dict(zip(found["prediction_id"], found["value"], strict=True))
    assert values == {by_id: "true", by_key: "false"}  # the correction says it was known earlier


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "not an object"),
        ({"labels": []}, "send at least one"),
        ({"labels": {}}, "not an array of labels"),
        ({"labels": [1]}, "Label 0 is not an object"),
        ({"labels": [{"key": "a", "value": True}] * 10_001}, "more than 10000"),
        ({"value": True}, "exactly one of the two"),
        ({"value": True, "key": "a", "prediction_id": "b"}, "exactly one of the two"),
        ({"key": "a"}, "'value' is missing"),
        ({"key": "a", "value": None}, "'value' is missing"),
        ({"key": "a", "value": [1]}, "'value' is missing"),
        ({"key": "a", "value": "maybe"}, "expected true or false"),
        ({"key": "a", "value": 0.5}, "expected true or false"),
        ({"key": 5, "value": True}, "expected text"),
        ({"key": {"flights": "a"}, "value": True}, "expected an object with flight"),
        ({"prediction_id": 5, "value": True}, "not the text"),
        ({"prediction_id": "", "value": True}, "not the text"),
        ({"key": "a", "value": True, "known_at": "soon"}, "expected a moment"),
        ({"key": "a", "value": True, "known_at": "2999-01-01"}, "still to come"),
        ({"key": "a", "val": True}, "did you mean 'value'?"),
    ],
)
def test_a_wrong_label_is_refused(client: httpx.Client, body: object, said: str) -> None:
    check(client.post("/labels/late", json=body), 422, said)


def test_a_fact_changes_what_is_answered_next(server: Running, client: httpx.Client) -> None:
    at = "2014-03-01T12:00:00Z"

    def wind() -> object:
        found = client.post("/predict/late", json=row(decide_at=at)).json()
        return from_text(str(journal(server, found["prediction_id"])["features"]))["wind"]

    assert wind() is None
    known = {"origin": "JFK", "at": "2014-03-01T11:00:00Z", "wind": 17.5}
    answer = client.post("/facts/weather", json={"rows": [known]})
    assert answer.json() == {"source": "weather", "accepted": 1, "retracted": 0, "lookups": 1}
    assert wind() == 17.5
    client.post("/facts/weather", json=known).raise_for_status()
    client.post("/facts/weather", json={**known, "wind": 3.5}).raise_for_status()
    assert wind() == 3.5
    kept = reading.facts(server.workspace, "weather").collect()["row"].to_list()
    assert [from_text(one)["wind"] for one in kept] == [17.5, 17.5, 3.5]


def test_a_withdrawn_fact_is_not_seen_from_then_on_and_history_says_the_same(
    server: Running, client: httpx.Client
) -> None:
    def seen(at: str) -> dict[str, object]:
        found = client.post("/predict/late", json=row(decide_at=at, tailnum="W1")).json()
        return from_text(str(journal(server, found["prediction_id"])["features"]))

    landing = {"flight": "W-1", "tailnum": "W1", "landed_at": "2014-05-01T10:00:00Z", "arr_delay": 44.0}
    wind = {"origin": "JFK", "at": "2014-05-01T10:00:00Z", "wind": 9.25}
    client.post("/facts/landings", json=landing).raise_for_status()
    client.post("/facts/weather", json=wind).raise_for_status()
    assert [seen("2014-05-01T12:00:00Z")[name] for name in ("delay_1d", "wind")] == [44.0, 9.25]
    gone = {"flight": "W-1", "landed_at": "2014-05-01T11:00:00Z", "retracted": True}
    answer = client.post("/facts/landings", json={"rows": [gone]})
    assert answer.json() == {"source": "landings", "accepted": 1, "retracted": 1, "lookups": 1}
    client.post("/facts/weather", json={**wind, "wind": None, "retracted": True}).raise_for_status()
    asked = ["2014-05-01T11:05:00Z", "2014-05-01T11:05:00.000001Z", "2014-05-01T12:00:00Z"]
    online = [seen(at) for at in asked]
    assert [one["delay_1d"] for one in online] == [44.0, None, None]
    assert [one["wind"] for one in online] == [None, None, None]
    workspace = Workspace.find(server.workspace.root)
    bundle = open_bundle(workspace, find(workspace.ledger, ModelRef("late", 1)).digest)
    predictor = Predictor(bundle, 1, workspace.fresh)
    look_up = over_history(sources_of(workspace, bundle), predictor.lookups)
    rows = [row(decide_at=at, tailnum="W1") for at in asked]
    assert [one.features for one in predictor.predict(rows, at=now(), look_up=look_up)] == online
    assert not [one for one in sources_of(workspace, bundle).violations({})["landings"] if one.blocks]
    workspace.fresh.close()
    workspace.ledger.dispose()


def test_a_fact_from_the_future_is_refused_and_nothing_of_its_request_kept(
    server: Running, client: httpx.Client
) -> None:
    before = reading.facts(server.workspace, "weather").collect().height
    ahead = [{"origin": "LGA", "at": (now() + timedelta(hours=hours)).isoformat(), "wind": 1.0} for hours in (23, 25)]
    answer = client.post("/facts/weather", json={"rows": ahead})
    check(answer, 422, f"Fact 1 of 'weather', field 'at' is {ahead[1]['at'][:10]}")
    assert "which is still to come: expected a moment until now, " in answer.json()["error"]["message"]
    assert (answer.json()["error"]["row"], answer.json()["error"]["field"]) == (1, "at")
    assert reading.facts(server.workspace, "weather").collect().height == before
    client.post("/facts/weather", json=ahead[0]).raise_for_status()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "not an object"),
        ({"rows": []}, "1 to 10000 rows"),
        ({"rows": [7]}, "not an object of fields"),
        ({"origin": "JFK"}, "'at'"),
        ({"origin": "JFK", "at": "soon", "wind": 1}, "'at'"),
        ({"origin": "JFK", "at": "2014-03-01T11:00:00Z", "wind": "strong"}, "'wind'"),
        ({"origin": "JFK", "at": "2014-03-01T11:00:00Z", "retracted": "yes"}, "field 'retracted' is the text 'yes'"),
        ({"origin": "JFK", "retracted": True}, "'at' is missing"),
    ],
)
def test_a_wrong_fact_is_refused(client: httpx.Client, body: object, said: str) -> None:
    check(client.post("/facts/weather", json=body), 422, said)


def test_probes_say_how_it_is(client: httpx.Client) -> None:
    assert client.get("/ping").json() == {"status": "ok"}
    assert client.head("/ping").status_code == 200
    assert client.get("/livez").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["models"], ready["refused"], ready["ledger"]) == ("ready", {"late": 1}, [], "ok")
    index = client.get("/").json()
    assert index["models"]["late"]["predict"] == "/predict/late"
    assert client.post("/predict/late", json=index["models"]["late"]["example"]).status_code == 200


def test_metrics_say_what_became_of_labels_as_the_last_tick_counted(server: Running, client: httpx.Client) -> None:
    assert "outlast_labels{" not in client.get("/metrics").text
    asked = client.post("/predict/late", json=row(flight="L-1")).json()
    labels = [
        {"prediction_id": asked["prediction_id"], "value": True},
        {"key": "L-1", "value": True},
        {"key": "L-1", "value": False},
        {"key": "no such flight", "value": True},
    ]
    client.post("/labels/late", json={"labels": labels}).raise_for_status()
    workspace = Workspace.find(server.workspace.root)
    found = count(workspace, "late", now=now())
    assert found is not None
    workspace.ledger.dispose()
    lines = client.get("/metrics").text.splitlines()
    for state, number in (("matched", found.matched), ("unknown", found.unknown), ("changed", found.changed)):
        assert number >= 1
        assert f'outlast_labels{{model="late",state="{state}"}} {number:.1f}' in lines


def test_metrics_count_what_was_answered(client: httpx.Client) -> None:
    before = figures(client)
    client.post("/predict/late", json={"rows": [row(origin="XYZ"), ROW]}).raise_for_status()
    client.post("/predict/late", json={})
    after = figures(client)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown('outlast_predictions_total{model="late",role="live",rung="full",version="1"}') == 2
    assert grown('outlast_predictions_warned_total{model="late",version="1"}') == 1
    assert grown('outlast_journal_records_total{stream="predictions"}') == 2
    assert grown('outlast_requests_total{path="/predict/{model}",status="200"}') == 1
    assert grown('outlast_requests_total{path="/predict/{model}",status="422"}') == 1
    for step in ("validate", "wait", "look up", "functions", "model", "decide", "journal", "encode"):
        assert grown(f'outlast_step_seconds_count{{step="{step}"}}') == 1, step
    assert after["outlast_ledger_up"] == 1
    assert any(name.startswith('outlast_model_live{digest="') for name in after)


def figures(client: httpx.Client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_the_description_is_of_this_model_and_its_example_works(client: httpx.Client) -> None:
    found = client.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    body = found["paths"]["/predict/late"]["post"]["requestBody"]["content"]["application/json"]
    (one,) = [schema for schema in body["schema"]["anyOf"] if "origin" in schema["properties"]]
    assert one["required"] == ["origin", "tailnum", "distance", "scheduled_at"]
    assert one["properties"]["distance"]["type"] == "number"
    assert one["properties"]["scheduled_at"] == {
        "type": "string",
        "format": "date-time",
        "description": one["properties"]["scheduled_at"]["description"],
    }
    assert one["properties"]["origin"]["examples"] == ["JFK", "LGA"]
    for example in body["examples"].values():
        assert client.post("/predict/late", json=example["value"]).status_code == 200
    label = found["paths"]["/labels/late"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"][1]
    assert label["properties"]["value"] == {"type": "boolean"}
    assert label["properties"]["key"]["anyOf"][0] == {"type": "string"}
    operations = [op["operationId"] for path in found["paths"].values() for op in path.values()]
    assert len(operations) == len(set(operations))


def test_nothing_above_was_an_accident(client: httpx.Client) -> None:
    found = figures(client)
    assert [name for name in found if 'status="5' in name] == []
    msgspec.json.decode(client.post("/predict/late", json=ROW).content)


def test_a_request_whose_time_has_run_out_is_not_computed(client: httpx.Client) -> None:
    found = client.post("/predict/late", json=row(), headers={"X-Request-Timeout-Ms": "0"})
    assert (found.status_code, found.json()["error"]["kind"]) == (504, "late")
    assert client.post("/predict/late", json=row(), headers={"X-Request-Timeout-Ms": "60000"}).status_code == 200
    odd = client.post("/predict/late", json=row(), headers={"X-Request-Timeout-Ms": "soon"})
    assert (odd.status_code, odd.json()["error"]["kind"]) == (400, "request")


def test_many_at_once_get_the_answers_they_get_alone(client: httpx.Client) -> None:
    rows = [row(distance=float(n)) for n in range(60)]
    apart = [client.post("/predict/late", json=one).json()["score"] for one in rows]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda one: client.post("/predict/late", json=one), rows))
    assert [one.json()["score"] for one in found] == apart
