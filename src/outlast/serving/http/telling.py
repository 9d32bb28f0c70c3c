"""What callers tell of answers, by prediction id or by the question's key: checked one by one, kept all or none."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.errors import NotFound, RequestError, nearest
from outlast.journal.journal import Journal
from outlast.serving.answering import MOST
from outlast.serving.http.access import caller_of
from outlast.serving.http.body import json_of
from outlast.serving.http.carried import json_answer, parts_of, request_id
from outlast.serving.labels import Truth
from outlast.serving.parts import Parts
from outlast.types import micros, now

T = TypeVar("T", covariant=True)
_AT_ONCE = 64
"""Records that are written between two answers; more are written in a thread."""


class Reads(Protocol[T]):
    """What makes a record of one thing told."""

    def __call__(self, one: Any, index: int, *, model: str, truth: Truth | None, at: int, origin: str) -> T: ...


async def kept(
    request: Request, stream: str, example: str, read: Reads[T], keep: Callable[[Journal, Sequence[T]], None]
) -> Response:
    """Keep what a body tells, under the name of its stream, and say how much that was."""
    parts, name = parts_of(request), request_id(request)
    model = request.path_params["model"]
    body = await json_of(request)
    predictor = parts.house.predictors().get(model)
    if predictor is None:
        await parts.aside(lambda: known(parts, model))
    at, origin = micros(now()), caller_of(request).origin
    truth = None if predictor is None else Truth(predictor.task, predictor.classes, predictor.key_fields)
    records = [
        read(one, index, model=model, truth=truth, at=at, origin=origin)
        for index, one in enumerate(_listed(body, stream, example))
    ]
    if len(records) > _AT_ONCE:
        await parts.aside(lambda: keep(parts.journal, records))
    else:
        keep(parts.journal, records)
    parts.metrics.kept(stream, len(records))
    return json_answer(msgspec.json.encode({"model": model, "accepted": len(records)}), name)


def known(parts: Parts, model: str) -> None:
    """NotFound where there is no such model."""
    names = parts.house.every_model()
    if model not in names:
        raise NotFound(f"There is no model '{model}': {nearest(model, names)}")


def _listed(body: Any, name: str, example: str) -> Sequence[Any]:
    """What a body holds under its one name, or the one thing that it is itself."""
    if not isinstance(body, dict):
        raise RequestError(f'The body is not an object: send {{"{name}": [{example}]}}')
    if name not in body:
        return [body]
    found = body[name]
    if not isinstance(found, list) or not found or len(body) > 1:
        raise RequestError(
            f"'{name}' is not an array of {name} standing alone: send at least one, and nothing beside it"
        )
    if len(found) > MOST:
        raise RequestError(f"The request has {len(found)} {name}, more than {MOST}: send it in parts")
    return found
