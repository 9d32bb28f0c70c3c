"""The Open Inference Protocol over gRPC: a real client, a real server, the same answers as over HTTP."""

import asyncio
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import polars as pl
import pytest
import tritonclient.grpc as triton
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from late_project import ROW, promote
from running import Running, eventually, running
from tritonclient.utils import InferenceServerException

from outlast.errors import MissingExtra, StorageError
from outlast.journal import reading
from outlast.project.workspace import Workspace
from outlast.registry.tokens import Wanted, create
from outlast.serving.grpc.messages import message
from outlast.serving.grpc.server import GrpcServer
from outlast.serving.http.access import Extra
from outlast.serving.server import serve
from outlast.types import now

INFER = "/inference.GRPCInferenceService/ModelInfer"
Request, Response = message("inference.ModelInferRequest"), message("inference.ModelInferResponse")
KINDS = {"origin": "BYTES", "tailnum": "BYTES", "distance": "FP64", "scheduled_at": "BYTES"}


def inputs(**changes: Any) -> list[Any]:
    found = []
    for name, value in {**ROW, **changes}.items():
        found.append(triton.InferInput(name, [1], KINDS[name]))
        found[-1].set_data_from_numpy(np.array([value], dtype=np.float64 if KINDS[name] == "FP64" else np.object_))
    return found


def typed(**changes: Any) -> Any:
    """A request with typed lists, as KServe's and MLServer's clients send them."""
    request = Request(model_name="late")
    for name, value in {**ROW, **changes}.items():
        one = request.inputs.add(name=name, datatype=KINDS[name], shape=[1])
        if KINDS[name] == "FP64":
            one.contents.fp64_contents.append(value)
        else:
            one.contents.bytes_contents.append(value.encode())
    return request


@pytest.fixture(scope="module")
def tritons(both: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(both.grpc) as found:
        yield found


@pytest.fixture(scope="module")
def channel(both: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(both.grpc) as found:
        yield found


def call(channel: grpc.Channel, request: Any, **more: Any) -> Any:
    send = channel.unary_unary(INFER, Request.SerializeToString, Response.FromString)
    return send(request, timeout=60, **more)


def refusal(channel: grpc.Channel, request: Any, **more: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, request, **more)
    return caught.value


@pytest.fixture(scope="module")
def expected(both: Running) -> dict[str, Any]:
    with both.client() as client:
        return client.post("/predict/late", json=ROW).json()


def test_triton_learns_what_is_served(tritons: Any) -> None:
    assert tritons.is_server_live()
    assert tritons.is_server_ready()
    assert tritons.is_model_ready("late")
    assert not tritons.is_model_ready("late", "2")
    assert not tritons.is_model_ready("never")
    assert tritons.get_server_metadata().name == "outlast"
    told = tritons.get_model_metadata("late")
    assert [(one.name, one.datatype) for one in told.inputs][:4] == list(KINDS.items())
    assert list(told.versions) == ["1"]
    with pytest.raises(InferenceServerException, match="did you mean 'late'"):
        tritons.get_model_metadata("lat")


def test_triton_gets_the_answer_of_http_and_it_is_journaled(
    both: Running, tritons: Any, expected: dict[str, Any]
) -> None:
    found = tritons.infer("late", inputs(), request_id="seven", headers={"x-request-id": "grpc-1"})
    assert found.as_numpy("score").tolist() == [expected["score"]]
    assert found.as_numpy("decision").tolist() == [expected["decision"].encode()]
    assert found.get_response().id == "seven"
    kept = reading.predictions(both.workspace, "late").filter(pl.col("request_id") == "grpc-1").collect()
    assert kept["prediction_id"].to_list() == [found.as_numpy("prediction_id").tolist()[0].decode()]


def test_only_the_outputs_asked_for_are_given(tritons: Any) -> None:
    wanted = [triton.InferRequestedOutput("rung"), triton.InferRequestedOutput("score")]
    found = tritons.infer("late", inputs(), outputs=wanted)
    assert [one.name for one in found.get_response().outputs] == ["rung", "score"]
    assert found.as_numpy("rung").tolist() == [b"full"]


def test_typed_lists_are_answered_with_typed_lists(channel: grpc.Channel, expected: dict[str, Any]) -> None:
    found = call(channel, typed())
    outputs = {one.name: one.contents for one in found.outputs}
    assert list(found.raw_output_contents) == []
    assert list(outputs["score"].fp64_contents) == [expected["score"]]
    assert list(outputs["decision"].bytes_contents) == [expected["decision"].encode()]


def test_one_tensor_of_numbers_stands_for_all_columns(numbers: Running) -> None:
    with numbers.client() as client, triton.InferenceServerClient(numbers.grpc) as tritons:
        answer = client.post("/predict/grade", json={"width": 12.5, "length": None, "knots": 2}).json()
        whole = triton.InferInput("input-0", [1, 3], "FP32")
        whole.set_data_from_numpy(np.array([[12.5, np.nan, 2]], dtype=np.float32))
        found = tritons.infer("grade", [whole])
        assert found.as_numpy("scores").tolist() == [list(answer["scores"].values())]


def test_many_at_once_each_get_their_own_answer(both: Running, channel: grpc.Channel) -> None:
    rows = [typed(distance=float(distance)) for distance in range(100, 1100, 50)]
    with both.client() as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: call(channel, one), rows))
        asked = [{**ROW, "distance": float(distance)} for distance in range(100, 1100, 50)]
        answers = client.post("/predict/late", json={"rows": asked}).json()["predictions"]
    scores = [list(one.contents.fp64_contents) for each in found for one in each.outputs if one.name == "score"]
    assert scores == [[one["score"]] for one in answers]


def with_raw(count: int) -> Any:
    request = typed()
    request.raw_input_contents.extend([b"12345678"] * count)
    return request


def changed(**fields: Any) -> Any:
    request = typed()
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def of_half_floats() -> Any:
    request = Request(model_name="late")
    request.inputs.add(name="distance", datatype="FP16", shape=[1])
    return request


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        (Request(model_name="lat"), "NOT_FOUND", "did you mean 'late'?"),
        (Request(model_name="late"), "INVALID_ARGUMENT", "no inputs"),
        (changed(model_version="9"), "NOT_FOUND", "Version '9' of late is not in service"),
        (typed(scheduled_at="soon"), "INVALID_ARGUMENT", "Row 0, field 'scheduled_at' is the text 'soon'"),
        (typed(distance=float("nan")), "INVALID_ARGUMENT", "field 'distance' is null"),
        (with_raw(1), "INVALID_ARGUMENT", "1 raw_input_contents for 4 inputs"),
        (with_raw(4), "INVALID_ARGUMENT", "has contents beside raw_input_contents"),
        (of_half_floats(), "INVALID_ARGUMENT", "send it raw"),
    ],
)
def test_a_wrong_request_is_refused_with_one_sentence(
    channel: grpc.Channel, request_: Any, code: str, said: str
) -> None:
    error = refusal(channel, request_)
    assert error.code().name == code
    assert said in error.details()


def test_an_odd_request_id_is_refused_and_a_good_one_comes_back(channel: grpc.Channel) -> None:
    error = refusal(channel, typed(), metadata=(("x-request-id", "x" * 200),))
    assert "x-request-id" in error.details()
    send = channel.unary_unary(INFER, Request.SerializeToString, Response.FromString)
    assert ("x-request-id", "bad") in [
        tuple(one) for one in refusal(channel, Request(), metadata=(("x-request-id", "bad"),)).initial_metadata()
    ]
    _, sent = send.with_call(typed(), metadata=(("x-request-id", "mine"),), timeout=60)
    assert ("x-request-id", "mine") in [tuple(one) for one in sent.initial_metadata()]


def test_too_large_a_request_is_refused(channel: grpc.Channel) -> None:
    error = refusal(channel, typed(tailnum="x" * 9_000_000))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService", "other"])
def test_the_health_protocol_of_grpc_is_answered(channel: grpc.Channel, service: str) -> None:
    asked, said = message("grpc.health.v1.HealthCheckRequest"), message("grpc.health.v1.HealthCheckResponse")
    send = channel.unary_unary("/grpc.health.v1.Health/Check", asked.SerializeToString, said.FromString)
    if service == "other":
        with pytest.raises(grpc.RpcError, match="There is no service 'other'"):
            send(asked(service=service), timeout=60)
    else:
        assert send(asked(service=service), timeout=60).status == 1


def test_whatever_bytes_are_sent_the_answer_is_right_or_a_refusal(channel: grpc.Channel) -> None:
    send = channel.unary_unary(INFER, lambda data: data, Response.FromString)
    whole = typed().SerializeToString()
    seen = set()

    @settings(derandomize=True, database=None, deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=60), st.integers(0, len(whole)), st.integers(0, 12), st.booleans())
    def tried(junk: bytes, at: int, over: int, alone: bool) -> None:
        try:
            send(junk if alone else whole[:at] + junk[:over] + whole[at + over :], timeout=60)
            seen.add("OK")
        except grpc.RpcError as error:
            seen.add(error.code().name)

    tried()
    assert {"OK", "INVALID_ARGUMENT"} <= seen
    assert seen <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}


def test_no_call_was_an_accident(both: Running) -> None:
    with both.client() as client:
        lines = client.get("/metrics").text.splitlines()
    assert any(f'path="{INFER}",status="OK"' in line for line in lines)
    assert not [line for line in lines if 'status="INTERNAL"' in line or 'status="UNKNOWN"' in line]


def test_without_the_right_token_nothing_is_answered(trained: Path, tmp_path: Path) -> None:
    place = Workspace.find(shutil.copytree(trained, tmp_path / "late"))
    promote(place, 1)

    def secret(role: str, *models: str) -> str:
        return create(place.ledger, Wanted.of(role, [role], models, at=now()), by="ada", at=now())[1]

    secrets = {"predict": secret("predict"), "view": secret("view"), "elsewhere": secret("admin", "other")}
    with running(place.root, grpc_port=0) as server, grpc.insecure_channel(server.grpc) as channel:

        def code(header: str | None) -> str:
            metadata = () if header is None else (("authorization", header),)
            return refusal(channel, typed(), metadata=metadata).code().name

        assert code(None) == code("Bearer wrong") == code("") == "UNAUTHENTICATED"
        assert code(f"Bearer {secrets['view']}") == code(f"Bearer {secrets['elsewhere']}") == "PERMISSION_DENIED"
        found = call(channel, typed(), metadata=(("authorization", f"Bearer {secrets['predict']}"),))
        assert found.model_name == "late"
        with triton.InferenceServerClient(server.grpc) as tritons:
            assert tritons.is_server_ready()
            with pytest.raises(InferenceServerException, match="needs a token"):
                tritons.is_model_ready("late")
    place.ledger.dispose()


def taken(server: Running) -> bool:
    """Whether a request has arrived and is being answered."""
    found = re.search(r"^outlast_requests_under_way (\S+)", httpx.get(f"{server.address}/metrics").text, flags=re.M)
    return found is not None and float(found[1]) >= 1


def test_a_server_that_is_told_to_stop_answers_what_is_under_way(folder: Path) -> None:
    promote(Workspace.find(folder), 1)
    with running(folder, grpc_port=0) as server, grpc.insecure_channel(server.grpc) as channel:
        many = typed()
        for one in many.inputs:
            values = one.contents.fp64_contents or one.contents.bytes_contents
            values.extend([values[0]] * 4_999)
            one.shape[0] = 5_000
        call(channel, typed())
        send = channel.unary_unary(INFER, Request.SerializeToString, Response.FromString)
        under_way = send.future(many, timeout=60)
        eventually(lambda: under_way.done() or taken(server))
        assert server.stop() == 0
        assert len(under_way.result(60).outputs[0].contents.bytes_contents) == 5_000


def test_a_port_that_is_taken_is_refused(both: Running) -> None:
    host, _, port = both.grpc.partition(":")
    with pytest.raises(StorageError, match=rf"Could not listen on 127.0.0.1:{port}: .*choose another port"):
        asyncio.run(GrpcServer(None, host, int(port)).start())  # type: ignore[arg-type]


def test_who_leaves_disturbs_nobody(both: Running, channel: grpc.Channel, expected: dict[str, Any]) -> None:
    send = channel.unary_unary(INFER, Request.SerializeToString, Response.FromString)
    under_way = [send.future(typed(), timeout=60) for _ in range(60)]
    for one in under_way[::2]:
        one.cancel()
    scores = [
        list(one.contents.fp64_contents)
        for each in under_way[1::2]
        for one in each.result(60).outputs
        if one.name == "score"
    ]
    assert scores == [[expected["score"]]] * 30


def test_without_its_library_the_sentence_says_what_to_install(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "outlast.serving.grpc.server", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingExtra, match=r"pip install 'outlast\[grpc\]'"):
        serve(workspace, port=0, extra=Extra(grpc_port=0))


def test_http_goes_on_beside_it(both: Running) -> None:
    assert httpx.get(f"{both.address}/readyz").json()["status"] == "ready"


def test_a_repeat_gets_the_first_answer_and_says_so(both: Running, channel: grpc.Channel) -> None:
    send = channel.unary_unary(INFER, Request.SerializeToString, Response.FromString)
    name = (("x-request-id", "again"),)
    (first, _), (again, sent) = (send.with_call(typed(), metadata=name, timeout=60) for _ in range(2))
    assert first == again
    assert ("idempotent-replayed", "true") in [tuple(one) for one in sent.trailing_metadata()]
    assert refusal(channel, typed(origin="LGA"), metadata=name).code() == grpc.StatusCode.ABORTED
