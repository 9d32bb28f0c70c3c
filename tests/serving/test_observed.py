"""What a real server says of its requests in traces, in its log and in its metrics, and what it never says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import late_project
import numpy as np
import pytest
import tritonclient.grpc as triton
from observed import Collector, Observed, collecting, observed

SECRET = "xsecretx"
RAISES = 'raise ValueError(f"{rows.to_dicts()} cannot be")'
MODEL = late_project.MODEL.replace(
    "    return rows.select(hour",
    f"""    if rows["origin"].fill_null("").str.starts_with("BOOM").any():
        {RAISES}
    return rows.select(hour""",
)
STEPS = ["decode", "validate", "wait", "look up", "functions", "model", "decide", "journal", "encode"]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROW = late_project.ROW


class Watched(NamedTuple):
    server: Observed
    collector: Collector


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a live version, one of whose functions raises what it was asked, and quotes it."""
    found = tmp_path_factory.mktemp("observed") / "late"
    place = late_project.build(found, versions=1, model=MODEL)
    late_project.promote(place, 1)
    place.ledger.dispose()
    return found


@pytest.fixture(scope="module")
def watched(folder: Path) -> Iterator[Watched]:
    with collecting() as collector:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        named = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test", "OUTLAST_LOG_FORMAT": "json"}
        with observed(folder, **asked, **named) as server:
            yield Watched(server, collector)


@pytest.fixture
def client(watched: Watched) -> Iterator[httpx.Client]:
    with watched.server.client() as found:
        yield found


def traced(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{PARENT}-01", "x-request-id": f"mine-{trace[:4]}"}


def test_a_request_is_a_span_in_its_callers_trace_with_one_for_each_step(
    watched: Watched, client: httpx.Client
) -> None:
    client.post("/predict/late", json={"rows": [ROW, ROW]}, headers=traced(TRACE)).raise_for_status()
    whole, steps = watched.collector.of(TRACE, "POST /predict/{model}")
    assert whole.parent == PARENT
    assert [one.name for one in sorted(steps, key=lambda one: (one.end, one.begin))] == STEPS
    assert all(whole.begin <= one.begin <= one.end <= whole.end for one in steps)
    assert whole.said == {
        "http.request.method": "POST",
        "http.route": "/predict/{model}",
        "http.response.status_code": 200,
        "outlast.request_id": "mine-0af7",
        "outlast.model": "late",
        "outlast.version": 1,
        "outlast.role": "live",
        "outlast.rows": 2,
        "outlast.rung": "full",
    }
    (resource,) = {tuple(sorted(one.items())) for one in watched.collector.resources}
    assert {"service.name": "outlast", "deployment.environment.name": "test"}.items() <= dict(resource).items()


def test_a_large_request_has_its_steps_although_another_thread_answers_it(
    watched: Watched, client: httpx.Client
) -> None:
    trace = "1" * 32
    client.post("/predict/late", json={"rows": [ROW] * 70}, headers=traced(trace)).raise_for_status()
    whole, steps = watched.collector.of(trace, "POST /predict/{model}")
    assert whole.said["outlast.rows"] == 70
    assert {one.name for one in steps} == {*STEPS} - {"wait"}


def test_what_explains_an_answer_is_a_step_too(watched: Watched, client: httpx.Client) -> None:
    trace = "a" * 32
    client.post("/predict/late?explain=true", json=ROW, headers=traced(trace)).raise_for_status()
    _, steps = watched.collector.of(trace, "POST /predict/{model}")
    assert {one.name for one in steps} >= {*STEPS, "explain"}


def test_a_request_that_fails_is_a_failed_span_and_its_lines_name_it(watched: Watched, client: httpx.Client) -> None:
    trace = "2" * 32
    found = client.post("/predict/late", json={**ROW, "origin": "BOOM"}, headers=traced(trace))
    assert found.status_code == 503
    whole, _ = watched.collector.of(trace, "POST /predict/{model}")
    assert whole.failed
    lines = [line for line in watched.server.lines() if line.get("trace_id") == trace]
    assert lines
    assert {line["level"] for line in lines} == {"ERROR"}
    assert all(
        (line["request_id"], line["model"], line["version"]) == ("mine-2222", "late", 1) and line["time"].endswith("Z")
        for line in lines
    )
    assert any("calendar" in line["message"] for line in lines)


def test_an_answer_carries_the_id_under_which_the_log_knows_the_request(watched: Watched, client: httpx.Client) -> None:
    found = client.post("/predict/late", json={**ROW, "origin": "BOOM"})
    assert found.headers["x-request-id"] in {line.get("request_id") for line in watched.server.lines()}


def test_a_call_over_grpc_is_a_span_too(watched: Watched) -> None:
    trace = "3" * 32
    tensors = []
    for name, value in ROW.items():
        tensors.append(triton.InferInput(name, [1], "FP64" if isinstance(value, float) else "BYTES"))
        tensors[-1].set_data_from_numpy(np.array([value], dtype=float if isinstance(value, float) else object))
    with triton.InferenceServerClient(watched.server.grpc) as client:
        client.infer("late", tensors, headers=traced(trace))
    whole, steps = watched.collector.of(trace, "inference.GRPCInferenceService/ModelInfer")
    assert (whole.parent, whole.said["outlast.request_id"], whole.said["rpc.grpc.status_code"]) == (
        PARENT,
        "mine-3333",
        0,
    )
    assert {one.name for one in steps} == {*STEPS} - {"decode", "encode"}


def test_a_caller_that_wants_no_trace_gets_none_and_probes_have_none(watched: Watched, client: httpx.Client) -> None:
    unwanted = {"traceparent": f"00-{'4' * 32}-{PARENT}-00"}
    client.post("/predict/late", json=ROW, headers=unwanted).raise_for_status()
    client.get("/readyz", headers=traced("5" * 32)).raise_for_status()
    client.get("/", headers=traced("6" * 32)).raise_for_status()
    watched.collector.of("6" * 32, "GET /")  # what came before would be there by now
    assert not {one.trace for one in watched.collector.spans} & {"4" * 32, "5" * 32}


def test_no_log_trace_or_metric_ever_quotes_a_request(watched: Watched, client: httpx.Client) -> None:
    trace = {"traceparent": f"00-{'7' * 32}-{PARENT}-01"}
    bodies: list[tuple[str, bytes]] = [("/predict/late", b'{"origin": "' + SECRET.encode() + b'"'), *odd_bodies()]
    for path, body in bodies:
        client.post(path, content=body, headers={"content-type": "application/json", **trace})
    client.post("/invocations", content=f"origin,{SECRET}\n{SECRET}".encode(), headers={"content-type": "text/csv"})
    client.post(f"/predict/late?{SECRET}=1", json=ROW, headers={SECRET: SECRET, "authorization": SECRET, **trace})
    client.get(f"/{SECRET}")
    metrics = client.get("/metrics").text
    client.get("/", headers=traced("8" * 32))
    watched.collector.of("8" * 32, "GET /")
    log = watched.server.log.read_text()
    assert "ValueError" in log  # the function did raise
    for said in (log, metrics, repr(watched.collector.spans)):
        assert SECRET not in said
    assert any(one.trace == "7" * 32 for one in watched.collector.spans)


def odd_bodies() -> Iterator[tuple[str, bytes]]:
    for field in (*ROW, "unheard", SECRET):
        for value in (SECRET, [SECRET], {SECRET: SECRET}, f"BOOM{SECRET}"):
            yield "/predict/late", json.dumps({**ROW, field: value}).encode()
    boom = {**ROW, "origin": "BOOM", "tailnum": SECRET}
    yield "/predict/late", json.dumps({"rows": [boom, ROW]}).encode()
    yield "/predict/late", json.dumps({"rows": [boom] * 80}).encode()
    yield "/invocations", json.dumps({"dataframe_records": [boom]}).encode()
    yield "/invocations", json.dumps({SECRET: [boom]}).encode()
    tensors = [{"name": name, "datatype": "BYTES", "shape": [1], "data": [str(boom[name])]} for name in boom]
    yield "/v2/models/late/infer", json.dumps({"id": SECRET, "inputs": tensors}).encode()
    yield "/labels/late", json.dumps({"prediction_id": SECRET, "value": SECRET}).encode()
    yield "/labels/late", json.dumps({"key": {"flight": SECRET}, "value": True}).encode()
    yield "/actions/late", json.dumps({"prediction_id": SECRET, "action": SECRET, "comment": SECRET}).encode()
    yield "/predict/late?explain=true", json.dumps({**ROW, "tailnum": SECRET, SECRET: SECRET}).encode()
    yield "/predict/late?explain=true", json.dumps(boom).encode()
    yield "/facts/weather", json.dumps({"origin": SECRET, "at": SECRET, "wind": SECRET}).encode()
    yield "/facts/landings", json.dumps({"rows": [{SECRET: SECRET}]}).encode()


def test_stopping_sends_the_last_spans(folder: Path) -> None:
    with collecting() as collector:
        slow = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        with observed(folder, **slow, OTEL_BSP_SCHEDULE_DELAY="600000") as server:
            with server.client() as client:
                client.get("/", headers=traced("9" * 32)).raise_for_status()
            assert collector.spans == []
            assert server.stop() == 0
        assert [one.trace for one in collector.spans] == ["9" * 32]
