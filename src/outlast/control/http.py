"""`/control/OPERATION`: the table of operations over HTTP, for those whose token has the role.

GET for what only reads, POST with a JSON object for what changes something or takes its time. Who accepts
`application/x-ndjson` is told of progress, a line each, and of the outcome in the last line; others wait for the one
answer. An operation that has begun is done to its end, also when nobody is there any more to hear of it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from outlast.control import assessing, attending, changing, explaining, looping, reading, registering
from outlast.control.acting import Acting, Do
from outlast.control.describing import PROTOCOL_HEADER, described
from outlast.control.lines import KIND, Fault, Line, Result, Telling, Waits
from outlast.control.operations import ARTIFACT, OPERATIONS, PROTOCOL, UPLOADS, Operation
from outlast.control.shapes import About
from outlast.errors import NotFound, OutlastError, RequestError
from outlast.evidence.why import is_prediction
from outlast.project.workspace import Workspace
from outlast.registry.versions import models
from outlast.serving.caller import Caller
from outlast.serving.http.access import Extra, caller_of
from outlast.serving.http.body import json_of
from outlast.serving.http.errors import HttpError, answer, status_of
from outlast.types import now

_STILL = 10.0
_log = logging.getLogger("outlast.control")
_ROOMS = (reading, explaining, assessing, looping, attending, changing, registering)
_DO: dict[str, Do] = {name: do for room in _ROOMS for name, do in room.DO.items()}
_LARGEST = 4 << 30
_Tell = Callable[[Line], None]


@contextmanager
def controls(workspace: Workspace) -> Iterator[Extra]:
    """What a server answers under /control; the end of the block waits for operations under way."""
    with ThreadPoolExecutor(4, "outlast-control") as workers:
        paths = {f"/control/{one.name}": one for one in OPERATIONS}
        routes = [
            Route(path, _endpoint(workspace, workers, one), methods=["POST" if one.posted else "GET"])
            for path, one in paths.items()
        ]
        routes.append(Route(f"/control/{ARTIFACT}", _uploading(workspace, workers), methods=["POST"]))
        needs = {**{path: one.roles for path, one in paths.items()}, f"/control/{ARTIFACT}": (UPLOADS,)}
        yield Extra(routes, needs, *described())


def _endpoint(workspace: Workspace, workers: ThreadPoolExecutor, operation: Operation[Any, Any]) -> Any:
    async def endpoint(request: Request) -> Response:
        caller = _bearer(request)
        _same_protocol(request)
        arguments = _arguments(operation, await json_of(request) if operation.posted else dict(request.query_params))
        begun = _Begun(workspace, caller, operation, arguments)
        if operation.posted and KIND in request.headers.get("accept", ""):
            return StreamingResponse(_told(workers, begun), media_type=KIND)
        outcome = await asyncio.get_running_loop().run_in_executor(workers, copy_context().run, begun.outcome, _nobody)
        return _answer(outcome)

    return endpoint


def _uploading(workspace: Workspace, workers: ThreadPoolExecutor) -> Any:
    async def uploading(request: Request) -> Response:
        _bearer(request)
        _same_protocol(request)
        loop = asyncio.get_running_loop()
        workspace.home.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=workspace.home, prefix="artifact-") as file:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > _LARGEST:
                    raise HttpError(413, "too-large", f"The artifact is larger than {_LARGEST >> 30} GB", close=True)
                file.write(part)
            file.flush()
            digest = await loop.run_in_executor(workers, workspace.artifacts.put, Path(file.name))
        return Response(msgspec.json.encode({"digest": digest}), media_type="application/json")

    return uploading


class _Begun:
    """One operation that was asked for."""

    def __init__(
        self, workspace: Workspace, caller: Caller, operation: Operation[Any, Any], arguments: msgspec.Struct
    ) -> None:
        self._operation, self._caller, self._arguments = operation, caller, arguments
        assert caller.token is not None
        self._acting = Acting(workspace, caller.token.bearer, now(), token=caller.token)

    def outcome(self, tell: _Tell) -> Fault | Result:
        """Do it, here and now; an error is an outcome too."""
        name = self._operation.name
        try:
            arguments = self._within_reach()
            telling = Telling(tell)
            done = _DO[name](replace(self._acting, watcher=telling), arguments)
            telling.flush()
            return Result(msgspec.Raw(msgspec.json.encode(done, enc_hook=_number)))
        except OutlastError as error:
            status, kind = status_of(error)
            details = msgspec.to_builtins(error.details, enc_hook=str)
            return Fault(status, kind, type(error).__name__, error.sentence, details)
        except Exception:  # noqa: BLE001 - the edge of this thread: the log has it, the caller learns nothing of our insides
            _log.exception("%s failed", name)
            said = f"The server failed to {name}: see its log"
            return Fault(500, "internal", "StorageError", said)

    def _within_reach(self) -> msgspec.Struct:
        operation, arguments = self._operation, self._arguments
        if operation.reach == "everything":
            self._caller.require(None, f"{operation.name}, which is about all models,")
        if operation.reach in ("everything", "visible", "incident"):
            return arguments
        assert isinstance(arguments, About)
        if operation.reach == "answer" and is_prediction(self._acting.workspace, arguments.model or ""):
            return arguments  # looked for among the models that the token covers
        if not arguments.model:
            arguments = msgspec.structs.replace(arguments, model=self._only())
        for name in arguments.names:
            self._caller.require(name, f"model '{name[:80]}'")
        return arguments

    def _only(self) -> str:
        names = [name for name in models(self._acting.workspace.ledger) if self._acting.sees(name)]
        if len(names) != 1:
            said = f"There are {len(names)} models here: name one of {', '.join(names)}"
            raise NotFound(said if names else "No model has been trained here yet: train one with `outlast train`")
        return names[0]


def _number(value: Any) -> Any:
    """A figure that was computed with numpy, as a number of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"nothing says how a {type(value).__name__} is sent")


async def _told(workers: ThreadPoolExecutor, begun: _Begun) -> AsyncIterator[bytes]:
    """Lines as they come, the outcome last."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[Line] = asyncio.Queue()

    def tell(line: Line) -> None:
        try:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        except RuntimeError:  # the server has ended meanwhile, and the operation goes on to its end
            _log.debug("Nobody hears of it: %s", line)

    loop.run_in_executor(workers, copy_context().run, lambda: tell(begun.outcome(tell)))
    while True:
        try:
            line = await asyncio.wait_for(lines.get(), _STILL)
        except TimeoutError:
            line = Waits()
        yield msgspec.json.encode(line) + b"\n"
        if isinstance(line, Fault | Result):
            return


def _nobody(line: Line) -> None:
    """Progress that nobody asked to hear of."""


def _bearer(request: Request) -> Caller:
    caller = caller_of(request)
    if caller.token is None:
        said = "What is live is changed with a token only: make one with `outlast token create NAME --role operate`"
        raise HttpError(401, "token", said)
    return caller


def _same_protocol(request: Request) -> None:
    theirs = request.headers.get(PROTOCOL_HEADER, str(PROTOCOL))
    if theirs != str(PROTOCOL):
        said = f"This server is Outlast {version('outlast')} and speaks control {PROTOCOL}, not {theirs[:20]}"
        raise HttpError(409, "release", f"{said}: install the same release on both sides")


def _arguments(operation: Operation[Any, Any], given: Any) -> msgspec.Struct:
    try:
        found: msgspec.Struct = msgspec.convert(given, operation.takes, strict=operation.posted)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(operation.takes)) or "nothing"
        raise RequestError(f"/control/{operation.name} cannot take this: {error}; it takes {known}") from None
    return found


def _answer(outcome: Fault | Result) -> Response:
    if isinstance(outcome, Result):
        return Response(bytes(outcome.result), media_type="application/json")
    more: dict[str, Any] = {"name": outcome.name, "details": outcome.details or None}
    return answer(outcome.status, outcome.kind, outcome.message, **more)
