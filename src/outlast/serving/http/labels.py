"""POST /labels/{model}: what turned out, by prediction id or by the question's key."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.errors import NotFound, RequestError, nearest
from outlast.serving.answering import MOST
from outlast.serving.http.access import caller_of
from outlast.serving.http.body import json_of
from outlast.serving.http.carried import json_answer, parts_of, request_id
from outlast.serving.labels import Truth, record_of
from outlast.serving.parts import Parts
from outlast.types import micros, now

_EXAMPLE = '{"prediction_id": "…", "value": …}'


async def labels(request: Request) -> Response:
    """Keep labels: {"labels": [{"prediction_id" or "key", "value", "known_at"?}]}, or one of them alone."""
    parts, name = parts_of(request), request_id(request)
    model = request.path_params["model"]
    body = await json_of(request)
    predictor = parts.house.predictors().get(model)
    if predictor is None:
        await parts.aside(lambda: known(parts, model))
    at, origin = micros(now()), caller_of(request).origin
    truth = None if predictor is None else Truth(predictor.task, predictor.classes, predictor.key_fields)
    records = [
        record_of(one, index, model=model, truth=truth, at=at, origin=origin)
        for index, one in enumerate(listed(body, "labels", _EXAMPLE))
    ]
    if len(records) > 64:
        await parts.aside(lambda: parts.journal.labels(records))
    else:
        parts.journal.labels(records)
    parts.metrics.kept("labels", len(records))
    return json_answer(msgspec.json.encode({"model": model, "accepted": len(records)}), name)


def known(parts: Parts, model: str) -> None:
    """NotFound where there is no such model."""
    names = parts.house.every_model()
    if model not in names:
        raise NotFound(f"There is no model '{model}': {nearest(model, names)}")


def listed(body: Any, name: str, example: str) -> Sequence[Any]:
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
