"""POST /predict/{model}: one flat row, or {"rows": [...]}."""

from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.errors import RequestError
from outlast.serving.choosing import given
from outlast.serving.http.body import json_of
from outlast.serving.http.carried import json_answer, parts_of, patience, request_id, wanted
from outlast.serving.repeats import Given

_encode = msgspec.json.Encoder().encode


async def predict(request: Request) -> Response:
    """Answer for the rows of the body."""
    parts, name = parts_of(request), request_id(request)
    body = await json_of(request)
    seat = parts.house.take(request.path_params["model"])
    with seat as predictor:
        rows, alone = rows_of(body, predictor)
        by = await given(parts, seat, rows, name, within=patience(request), explain=wanted(request))
    begin = perf_counter()
    found = all_spoken(by)
    head = {"model": by.predictor.model, "version": by.predictor.version, **({"advice": True} if by.advice else {})}
    body = _encode({**head, **found[0]} if alone else {**head, "predictions": found})
    parts.metrics.step("encode", begin)
    return json_answer(body, name, again=by.again)


def rows_of(body: Any, predictor: Predictor) -> tuple[list[Any], bool]:
    """The rows of a body, and whether it was one flat row."""
    if not isinstance(body, dict):
        kind = {list: "an array", str: "a text", bool: "a truth value", type(None): "null"}.get(type(body), "a number")
        raise RequestError(f'The body is {kind}: send one row as an object, or {{"rows": [...]}}')
    if "rows" not in body or any(ask.name == "rows" for ask in predictor.asks):
        return [body], True
    rows = body["rows"]
    if not isinstance(rows, list):
        raise RequestError("'rows' is not an array: send {\"rows\": [{...}, {...}]}", details={"field": "rows"})
    if len(body) > 1:
        other = next(name for name in body if name != "rows")
        raise RequestError(
            f"'{other[:80]}' stands beside 'rows': send fields inside each row", details={"field": other}
        )
    return rows, False


def all_spoken(by: Given) -> list[dict[str, Any]]:
    """Answers as callers see them, with their explanations where those were asked for."""
    found = [spoken(one) for one in by.answers]
    return found if by.told is None else [{**one, **told.spoken()} for one, told in zip(found, by.told, strict=True)]


def spoken(one: Answer) -> dict[str, Any]:
    """An answer as callers see it."""
    found: dict[str, Any] = {"prediction_id": one.prediction_id, "decision": one.decision}
    if one.scores is None:
        found["score"] = one.score
    else:
        found["scores"] = one.scores
    found["rung"], found["reasons"], found["warnings"] = one.rung, one.reasons, one.warnings
    if one.unsure:
        found["unsure"] = True
    return found
