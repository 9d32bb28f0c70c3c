"""GET /queue/{model}, POST /queue/{model}/{id}/claim and …/resolve: what waits for people, and what they say."""

from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.errors import RequestError, nearest
from outlast.serving.http.access import caller_of
from outlast.serving.http.body import json_of
from outlast.serving.http.carried import json_answer, parts_of, request_id
from outlast.serving.http.telling import known
from outlast.serving.queue import Saying, claim, resolve, waiting
from outlast.types import now

_encode = msgspec.json.Encoder(enc_hook=str).encode


async def listing(request: Request) -> Response:
    """What waits of a model, oldest first."""
    parts, name, model = parts_of(request), request_id(request), request.path_params["model"]
    await parts.aside(lambda: known(parts, model))
    found = await parts.aside(lambda: waiting(parts.workspace, model, now=now()))
    return json_answer(_encode({"model": model, "waiting": [asdict(one) for one in found]}), name)


async def claiming(request: Request) -> Response:
    """Take a question for oneself for half an hour."""
    parts, name, (model, about) = parts_of(request), request_id(request), _named(request)
    by = _by(request, _fields(await json_of(request), ("by",)))
    await parts.aside(lambda: known(parts, model))
    until = await parts.aside(lambda: claim(parts.workspace, model, about, by=by, now=now()))
    told = {"model": model, "prediction_id": about, "claimed_by": by, "claimed_until": until}
    return json_answer(_encode(told), name)


async def resolving(request: Request) -> Response:
    """Say what turned out: {"value", "comment"?, "by"?}."""
    parts, name, (model, about) = parts_of(request), request_id(request), _named(request)
    given = _fields(await json_of(request), ("value", "comment", "by"))
    by, comment = _by(request, given), given.get("comment")
    if comment is not None and not isinstance(comment, str):
        raise RequestError("'comment' is not a text", details={"field": "comment"})
    await parts.aside(lambda: known(parts, model))
    said = Saying(given.get("value"), comment, model)
    done = await parts.aside(lambda: resolve(parts.workspace, parts.journal, about, said, by=by, now=now()))
    return json_answer(_encode(asdict(done)), name)


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params["prediction_id"]


def _fields(body: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise RequestError(f"The body is not an object: expected one of {', '.join(names)}")
    unknown = next((name for name in body if name not in names), None)
    if unknown is not None:
        raise RequestError(f"'{unknown[:80]}' is not a field here: {nearest(unknown, names)}")
    return body


def _by(request: Request, given: dict[str, Any]) -> str:
    """Who it is: the bearer of the token, else who the body says."""
    token, said = caller_of(request).token, given.get("by")
    if token is not None and said is None:
        return token.name
    if not isinstance(said, str) or not said.strip() or len(said) > 100 or not said.isprintable():
        raise RequestError("'by' does not say who you are: expected a name", details={"field": "by"})
    return said.strip() if token is None else f"{said.strip()}, by the token of {token.name}"
