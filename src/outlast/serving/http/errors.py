"""From errors to answers: one table of statuses, one JSON shape."""

import logging
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

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
    nearest,
)
from outlast.serving.handling import current
from outlast.serving.logs import said_of
from outlast.serving.together import Busy, Late

_log = logging.getLogger("outlast.serving")

STATUS: tuple[tuple[type[OutlastError], int, str], ...] = (
    (RequestError, 422, "request"),
    (DataError, 422, "request"),
    (NotFound, 404, "not-found"),
    (Refused, 403, "refused"),
    (Conflict, 409, "conflict"),
    (Busy, 503, "busy"),
    (Late, 504, "late"),
    (Unavailable, 503, "unavailable"),
    (FeatureError, 503, "unavailable"),
    (StorageError, 503, "storage"),
)
_EXPECTED = (Busy, Late)
"""What is no fault of the server's: metrics count it."""
PATHS = (
    "/predict/{model}",
    "/invocations",
    "/labels/{model}",
    "/actions/{model}",
    "/queue/{model}",
    "/queue/{model}/{prediction_id}/claim",
    "/queue/{model}/{prediction_id}/resolve",
    "/facts/{source}",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{model}",
    "/v2/models/{model}/ready",
    "/v2/models/{model}/infer",
    "/v2/models/{model}/versions/{version}",
    "/v2/models/{model}/versions/{version}/ready",
    "/v2/models/{model}/versions/{version}/infer",
    "/ping",
    "/health",
    "/version",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/",
)


def status_of(error: OutlastError) -> tuple[int, str]:
    """The status and the kind of an error that was raised by what a request asked to be done."""
    return next(((status, word) for kind, status, word in STATUS if isinstance(error, kind)), (422, "request"))


class HttpError(OutlastError):
    """A request that is wrong as HTTP, before any model has seen it."""

    def __init__(self, status: int, kind: str, sentence: str, *, close: bool = False) -> None:
        super().__init__(sentence)
        self.status, self.kind = status, kind
        self.headers = {"connection": "close"} if close else {}


def answer(status: int, kind: str, message: str, *, path: str = "", headers: Any = None, **place: Any) -> Response:
    """An error in the one shape that all of them have.

    Clients of the Open Inference Protocol expect a text as `error`, so below its path the rest stands beside it.
    """
    place = {name: value for name, value in place.items() if value is not None}
    if path == "/v2" or path.startswith("/v2/"):
        body = msgspec.json.encode({"error": message, "kind": kind, **place})
    else:
        body = msgspec.json.encode({"error": {"kind": kind, "message": message, **place}})
    return Response(body, status, headers=dict(headers or {}), media_type="application/json")


async def of_outlast(request: Request, error: Exception) -> Response:
    """One of our own errors."""
    assert isinstance(error, OutlastError)
    message, path = error.sentence.encode("utf-8", "replace").decode(), request.url.path
    if isinstance(error, HttpError):
        return answer(error.status, error.kind, message, path=path, headers=error.headers)
    place = {name: error.details.get(name) for name in ("row", "field", "prediction_id")}
    for kind, status, word in STATUS:
        if isinstance(error, kind):
            if status >= 500:
                _log.log(
                    logging.INFO if kind in _EXPECTED else logging.ERROR, "%s: %s", _place(request), said_of(error)
                )
            headers = {"retry-after": str(error.again)} if isinstance(error, Busy) else None
            return answer(status, word, message, path=path, headers=headers, **place)
    _log.error("%s failed", _place(request), exc_info=error)
    return await of_accident(request, error)


def _place(request: Request) -> str:
    """Where a request went, in our own words: a path that callers write may hold anything."""
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path', 'other')}"


async def of_routing(request: Request, error: Exception) -> Response:
    """A path or a method that is not there."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    if error.status_code == 404:
        nameless = path.endswith("/") and f"{path}{{model}}" not in PATHS
        hint = "leave its last slash out" if nameless else nearest(path, PATHS)
        return answer(404, "not-found", f"There is nothing at '{path}': {hint}", path=path)
    if error.status_code == 405:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        message = f"'{path}' does not take {request.method[:40]}: use {' or '.join(allowed)}"
        return answer(405, "method", message, path=path, headers={"allow": ", ".join(allowed)})
    return answer(error.status_code, "request", str(error.detail), path=path, headers=error.headers)


async def of_accident(request: Request, error: Exception) -> Response:
    """Anything else: the log has it, under an id that the answer carries; the caller learns nothing of our insides."""
    said = "The server failed to answer this request: see its log under the request's id"
    return answer(500, "internal", said, path=request.url.path, headers={"x-request-id": current().request_id})
