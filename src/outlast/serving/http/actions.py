"""POST /actions/{model}: what people did with an answer, by prediction id or by the question's key."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.serving.actions import action_of
from outlast.serving.http.access import caller_of
from outlast.serving.http.body import json_of
from outlast.serving.http.carried import json_answer, parts_of, request_id
from outlast.serving.http.labels import known, listed
from outlast.serving.labels import Truth
from outlast.types import micros, now


async def actions(request: Request) -> Response:
    """Keep actions: {"actions": [{"prediction_id" or "key", "action", "comment"?, "by"?}]}, or one of them alone."""
    parts, name = parts_of(request), request_id(request)
    model = request.path_params["model"]
    body = await json_of(request)
    predictor = parts.house.predictors().get(model)
    if predictor is None:
        await parts.aside(lambda: known(parts, model))
    at, origin = micros(now()), caller_of(request).origin
    truth = None if predictor is None else Truth(predictor.task, predictor.classes, predictor.key_fields)
    records = [
        action_of(one, index, model=model, truth=truth, at=at, origin=origin)
        for index, one in enumerate(listed(body, "actions", '{"prediction_id": "…", "action": "followed"}'))
    ]
    if len(records) > 64:
        await parts.aside(lambda: parts.journal.actions(records))
    else:
        parts.journal.actions(records)
    parts.metrics.kept("actions", len(records))
    return json_answer(msgspec.json.encode({"model": model, "accepted": len(records)}), name)
