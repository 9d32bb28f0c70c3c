"""What is answered over gRPC: who asks is looked at first, every error is a status with its sentence."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from outlast.errors import (
    Conflict,
    DataError,
    FeatureError,
    NotFound,
    OutlastError,
    Refused,
    RequestError,
    StorageError,
    Unavailable,
)
from outlast.serving.caller import UNKNOWN_TOKEN, Caller, without_role
from outlast.serving.explaining import Wanted, wanted_of
from outlast.serving.grpc.messages import message
from outlast.serving.grpc.tensors import fill, tensors_from
from outlast.serving.grpc.traced import begun
from outlast.serving.handling import Handled, current, handle, usable
from outlast.serving.logs import said_of
from outlast.serving.oip.inferring import Asked, infer, seat_of
from outlast.serving.oip.saying import model_metadata, server_metadata
from outlast.serving.parts import Parts
from outlast.serving.together import Busy, Late
from outlast.types import Named

INFERENCE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"
_Work = Callable[[Any, Any, Caller], Awaitable[Any]]
_log = logging.getLogger("outlast.serving")
_BEARER = "bearer "

STATUS: tuple[tuple[type[OutlastError], grpc.StatusCode], ...] = (
    (Late, grpc.StatusCode.DEADLINE_EXCEEDED),
    (RequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (DataError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Refused, grpc.StatusCode.PERMISSION_DENIED),
    (Conflict, grpc.StatusCode.ABORTED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (FeatureError, grpc.StatusCode.UNAVAILABLE),
    (StorageError, grpc.StatusCode.UNAVAILABLE),
)


class _Unproven(OutlastError):
    """The request has no token that is taken."""


class Service:
    """The calls of the protocol, and of gRPC's own health protocol, over a server's parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def handlers(self) -> list[Any]:
        """What a gRPC server is given."""
        calls = {
            "ServerLive": self._call("ServerLive", self._server_live, is_open=True),
            "ServerReady": self._call("ServerReady", self._server_ready, is_open=True),
            "ServerMetadata": self._call("ServerMetadata", self._server_metadata),
            "ModelReady": self._call("ModelReady", self._model_ready),
            "ModelMetadata": self._call("ModelMetadata", self._model_metadata),
            "ModelInfer": self._call("ModelInfer", self._model_infer),
        }
        check = self._handler(
            f"/{HEALTH}/Check", message(f"{HEALTH[:-7]}.HealthCheckRequest"), self._health, is_open=True
        )
        return [
            grpc.method_handlers_generic_handler(INFERENCE, calls),
            grpc.method_handlers_generic_handler(HEALTH, {"Check": check}),
        ]

    def _call(self, name: str, work: _Work, *, is_open: bool = False) -> Any:
        return self._handler(f"/{INFERENCE}/{name}", message(f"inference.{name}Request"), work, is_open=is_open)

    def _handler(self, path: str, asked: Any, work: _Work, *, is_open: bool) -> Any:
        async def answer(data: bytes, context: Any) -> Any:
            begin, code, said = perf_counter(), grpc.StatusCode.OK, ""
            request = Handled(lambda: _named(context))
            handle(request)
            end = begun(self._parts.tracing, request, path, context)
            try:
                caller = self._caller(context, path, is_open=is_open)
                return await work(_read(data, asked), context, caller)
            except asyncio.CancelledError:  # the caller has gone
                code = grpc.StatusCode.CANCELLED
                raise
            except OutlastError as error:
                code, said = _status(error, path), error.sentence
                if isinstance(error, Busy):
                    context.set_trailing_metadata((("grpc-retry-pushback-ms", str(error.again * 1000)),))
            except Exception:  # noqa: BLE001 - the outermost edge of a call: the caller learns nothing of our insides
                _log.exception("%s failed", path)
                code, said = grpc.StatusCode.INTERNAL, "The server failed to answer this request: see its log"
            finally:
                self._parts.metrics.requests.labels(path, code.name).inc()
                self._parts.metrics.step("request", begin)
                if end is not None:
                    end(code)
            return await context.abort(code, said.encode("utf-8", "replace").decode())

        return grpc.unary_unary_rpc_method_handler(answer, None, _serialized)

    def _caller(self, context: Any, path: str, *, is_open: bool) -> Caller:
        """Who asks: whoever can reach the port where no token is needed, else the bearer of one."""
        keys = self._parts.keys
        given = _metadata(context, "authorization")
        if not keys.needed:
            return Caller()
        if given is None:
            if is_open:
                return Caller(known=False)
            raise _Unproven(f"'{path}' needs a token: send it as metadata, authorization: Bearer outlast_…")
        secret = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
        token = keys.holder(secret.encode())
        if token is None:
            raise _Unproven(UNKNOWN_TOKEN)
        said = None if is_open else without_role(token, ("predict",), f"'{path}'")
        if said is not None:
            raise Refused(said)
        return Caller(token)

    async def _server_live(self, request: Any, context: Any, caller: Caller) -> Any:
        return message("inference.ServerLiveResponse")(live=self._parts.watching)

    async def _server_ready(self, request: Any, context: Any, caller: Caller) -> Any:
        return message("inference.ServerReadyResponse")(ready=self._parts.ready)

    async def _server_metadata(self, request: Any, context: Any, caller: Caller) -> Any:
        return message("inference.ServerMetadataResponse")(**server_metadata())

    async def _model_ready(self, request: Any, context: Any, caller: Caller) -> Any:
        caller.require(request.name, f"model '{request.name[:80]}'")
        found = True
        try:
            with seat_of(self._parts, request.name, request.version):
                pass
        except NotFound:
            found = False
        return message("inference.ModelReadyResponse")(ready=found)

    async def _model_metadata(self, request: Any, context: Any, caller: Caller) -> Any:
        caller.require(request.name, f"model '{request.name[:80]}'")
        with seat_of(self._parts, request.name, request.version) as predictor:
            told = model_metadata(predictor)
        for one in (*told["inputs"], *told["outputs"]):
            one.pop("parameters", None)
        return message("inference.ModelMetadataResponse")(**told)

    async def _model_infer(self, request: Any, context: Any, caller: Caller) -> Any:
        name = _request_id(context)
        await context.send_initial_metadata((("x-request-id", name),))
        caller.require(request.model_name, f"model '{request.model_name[:80]}'")
        wanted = [one.name for one in request.outputs] or None
        asked = Asked(
            request.model_name,
            request.model_version,
            tensors_from(request),
            wanted,
            within=context.time_remaining(),
            explain=_explain(request.parameters) if request.parameters else None,
        )
        told = await infer(self._parts, asked, name)
        if told.again:
            context.set_trailing_metadata((("idempotent-replayed", "true"),))
        found = message("inference.ModelInferResponse")(
            model_name=told.model, model_version=str(told.version), id=request.id
        )
        if told.advice:
            found.parameters["advice"].bool_param = True
        fill(found, told.outputs, raw=bool(request.raw_input_contents))
        return found

    async def _health(self, request: Any, context: Any, caller: Caller) -> Any:
        if request.service not in ("", INFERENCE):
            raise NotFound(f"There is no service '{request.service[:80]}' here: expected {INFERENCE}")
        return message(f"{HEALTH[:-7]}.HealthCheckResponse")(status=1 if self._parts.ready else 2)


def _read(data: bytes, asked: Any) -> Any:
    try:
        return asked.FromString(data)
    except DecodeError:
        raise RequestError(f"The request is no {asked.DESCRIPTOR.name}: send one as the protocol has it") from None


def _explain(parameters: Any) -> Wanted | None:
    """What a request's parameters ask to explain."""
    chosen = {name: one.WhichOneof("parameter_choice") for name, one in parameters.items()}
    return wanted_of({name: getattr(parameters[name], kind) for name, kind in chosen.items() if kind})


def _serialized(found: Any) -> bytes:
    data: bytes = found.SerializeToString()
    return data


def _status(error: OutlastError, path: str) -> grpc.StatusCode:
    if isinstance(error, _Unproven):
        return grpc.StatusCode.UNAUTHENTICATED
    code = next((code for kind, code in STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL):
        _log.error("%s: %s", path, said_of(error))
    return code


def _metadata(context: Any, wanted: str) -> str | None:
    """The first value of that name; gRPC's names are in small letters."""
    for name, value in context.invocation_metadata() or ():
        if name == wanted:
            return value if isinstance(value, str) else None
    return None


def _request_id(context: Any) -> str:
    """The caller's name for this request, else one of ours."""
    given = _metadata(context, "x-request-id")
    if given is not None and not usable(given):
        raise RequestError("The metadata x-request-id is not 1 to 128 plain characters: send another or none")
    return current().request_id if given is None else Named(given)


def _named(context: Any) -> str | None:
    given = _metadata(context, "x-request-id")
    return given if given is not None and usable(given) else None
