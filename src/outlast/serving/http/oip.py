"""The Open Inference Protocol v2 over HTTP, in JSON and with tensors as bytes after it."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.errors import RequestError
from outlast.serving.answering import MOST
from outlast.serving.explaining import wanted_of
from outlast.serving.http.body import json_of, parse, read
from outlast.serving.http.carried import REPLAYED, REQUEST_ID, header, json_answer, parts_of, patience, request_id
from outlast.serving.http.errors import HttpError
from outlast.serving.oip.inferring import Asked, Told, infer, seat_of
from outlast.serving.oip.saying import model_metadata, server_metadata
from outlast.serving.oip.tensors import Tensor, tensor_of

JSON_LENGTH = "inference-header-content-length"
_encode = msgspec.json.Encoder().encode
Parameters = dict[str, bool | int | float | str | None]


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: Parameters | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: Parameters | None = None


class _Body(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: Parameters | None = None


async def server(request: Request) -> Response:
    """What this server is."""
    return json_answer(_encode(server_metadata()), request_id(request))


async def live(request: Request) -> Response:
    """The process answers and still watches the ledger."""
    found = parts_of(request).watching
    return Response(_encode({"live": found}), 200 if found else 503, media_type="application/json")


async def ready(request: Request) -> Response:
    """Everything that is live is loaded."""
    found = parts_of(request).ready
    return Response(_encode({"ready": found}), 200 if found else 503, media_type="application/json")


async def model(request: Request) -> Response:
    """What a model takes and gives."""
    with _seat(request) as predictor:
        return json_answer(_encode(model_metadata(predictor)), request_id(request))


async def model_ready(request: Request) -> Response:
    """Whether a model, or one version of it, is in service."""
    with _seat(request) as predictor:
        return json_answer(_encode({"name": predictor.model, "ready": True}), request_id(request))


async def inference(request: Request) -> Response:
    """The outputs for the tensors of the body."""
    parts, name = parts_of(request), request_id(request)
    body, tail = await _parts_of_body(request)
    names = None if body.outputs is None else [one.name for one in body.outputs]
    explain = wanted_of(body.parameters or {})
    asked = Asked(*_model(request), _tensors(body.inputs, tail), names, within=patience(request), explain=explain)
    as_bytes = _wanted_as_bytes(body)
    told = await infer(parts, asked, name)
    begin = perf_counter()
    found = _answer(told, body.id, as_bytes, name)
    parts.metrics.step("encode", begin)
    return found


def _model(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params.get("version", "")


def _seat(request: Request) -> Any:
    return seat_of(parts_of(request), *_model(request))


async def _parts_of_body(request: Request) -> tuple[_Body, bytes]:
    """The JSON of a body, and the bytes behind it."""
    if (header(request, "content-encoding") or "identity").lower() not in ("identity", ""):
        raise HttpError(415, "content-type", "The body is compressed: send it as it is")
    length = header(request, JSON_LENGTH)
    if length is None:
        found, tail = await json_of(request), b""
    else:
        whole = await read(request)
        if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= len(whole)):
            raise HttpError(400, "request", f"The Inference-Header-Content-Length is not 0 to {len(whole)}, the body's")
        found, tail = parse(whole[: int(length)]), whole[int(length) :]
    try:
        return msgspec.convert(found, _Body), tail
    except msgspec.ValidationError as error:
        said, _, at = str(error).partition(" - at `$.")
        raise RequestError(f"The body is no inference request: {_protocol(said, at.rstrip('`'))}") from None


def _protocol(said: str, place: str) -> str:
    """What is not as the protocol has it, and where."""
    said = said[:1].lower() + said[1:].replace("`", "")
    return f"'{place}' {said}" if place else said


def _tensors(inputs: Sequence[_Input], tail: bytes) -> list[Tensor]:
    """The inputs, those sent as bytes taken one after another from what follows the JSON."""
    found, at = [], 0
    for one in inputs:
        parameters = one.parameters or {}
        data, size = one.data, parameters.get("binary_data_size")
        if "shared_memory_region" in parameters:
            raise _fault(one, "lies in shared memory, which is not read here: send its data")
        if size is not None:
            if data is not None or type(size) is not int or not 0 <= size <= len(tail) - at:
                raise _fault(one, f"has binary_data_size {size}: expected that many bytes behind the JSON, and no data")
            data, at = tail[at : at + size], at + size
        found.append(tensor_of(one.name, one.datatype, one.shape, data, most=MOST))
    if at != len(tail):
        raise RequestError(f"The body has {len(tail) - at} bytes that no input's binary_data_size accounts for")
    return found


def _wanted_as_bytes(body: _Body) -> set[str] | None:
    """The outputs to send as bytes; None: all."""
    by_default = (body.parameters or {}).get("binary_data_output") is True
    if not body.outputs:
        return None if by_default else set()
    for one in body.outputs:
        for name in ("classification", "shared_memory_region"):
            if (one.parameters or {}).get(name):
                raise RequestError(f"Output '{one.name[:80]}' is asked for with {name}, which is not done here")
    return {one.name for one in body.outputs if (one.parameters or {}).get("binary_data", by_default) is True}


def _answer(told: Told, given_id: str | None, as_bytes: set[str] | None, name: str) -> Response:
    outputs, tail = [], []
    for one in told.outputs:
        head: dict[str, Any] = {"name": one.name, "datatype": one.datatype, "shape": one.shape}
        if as_bytes is None or one.name in as_bytes:
            tail.append(one.as_bytes())
            outputs.append({**head, "parameters": {"binary_data_size": len(tail[-1])}})
        else:
            outputs.append({**head, "data": one.values})
    body: dict[str, Any] = {"model_name": told.model, "model_version": str(told.version), "outputs": outputs}
    if given_id is not None:
        body["id"] = given_id
    if told.advice:
        body["parameters"] = {"advice": True}
    encoded = _encode(body)
    if not tail:
        return json_answer(encoded, name, again=told.again)
    headers = {REQUEST_ID: name, JSON_LENGTH: str(len(encoded)), **({REPLAYED: "true"} if told.again else {})}
    return Response(b"".join([encoded, *tail]), headers=headers, media_type="application/octet-stream")


def _fault(one: _Input, says: str) -> RequestError:
    return RequestError(f"Tensor '{one.name[:80]}' {says}", details={"field": one.name[:80]})
