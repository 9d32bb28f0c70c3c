"""POST /predict/{model}: one flat row, or {"rows": [...]}."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.errors import RequestError
from outlast.serving.http.body import json_of
from outlast.serving.http.parts import Parts, json_answer, parts_of, request_id
from outlast.types import now

MOST = 10_000
INLINE = 64
"""Rows a request may have to be answered between two others; more are answered in a thread."""
_encode = msgspec.json.Encoder().encode


async def predict(request: Request) -> Response:
    """Answer for the rows of the body."""
    parts, name = parts_of(request), request_id(request)
    begin = perf_counter()
    body = await json_of(request)
    seat = parts.house.take(request.path_params["model"])
    with seat as predictor:
        rows, alone = rows_of(body, predictor)
        parts.metrics.step("decode", begin)
        answers = await answers_for(parts, predictor, rows, name)
        found = [spoken(one) for one in answers]
        head = {"model": predictor.model, "version": predictor.version, **({"advice": True} if seat.advice else {})}
    body = _encode({**head, **found[0]} if alone else {**head, "predictions": found})
    return json_answer(body, name)


async def answers_for(parts: Parts, predictor: Predictor, rows: Sequence[Any], name: str) -> list[Answer]:
    """The answers for rows, in the journal before they are given."""
    check_rows(rows, predictor)
    if len(rows) <= INLINE:
        return _answers(parts, predictor, rows, name)
    return await parts.aside(lambda: _answers(parts, predictor, rows, name))


def _answers(parts: Parts, predictor: Predictor, rows: Sequence[Any], name: str) -> list[Answer]:
    begin = perf_counter()
    answers = predictor.predict(rows, at=now())
    begin = parts.metrics.step("predict", begin)
    parts.journal.predictions(answers, predictor, request_id=name, server=parts.house.server)
    parts.metrics.step("journal", begin)
    parts.metrics.answered(predictor.model, predictor.version, answers)
    return answers


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


def check_rows(rows: Sequence[Any], predictor: Predictor) -> None:
    """Refuse no rows, too many, and two rows about the same thing."""
    if not rows:
        raise RequestError("The request has no rows: send at least one")
    if len(rows) > MOST:
        raise RequestError(f"The request has {len(rows)} rows, more than {MOST}: send it in parts")
    if not predictor.key or len(rows) == 1:
        return
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or any(row.get(name) is None for name in predictor.key):
            continue
        key = repr([row[name] for name in predictor.key])
        first = seen.setdefault(key, index)
        if first != index:
            names = ", ".join(f"'{name}'" for name in predictor.key)
            raise RequestError(
                f"Row {index} has the same {names} as row {first}: send each question once",
                details={"row": index, "field": predictor.key[0]},
            )


def spoken(one: Answer) -> dict[str, Any]:
    """An answer as callers see it."""
    score = {"score": one.score} if one.scores is None else {"scores": one.scores}
    return {
        "prediction_id": one.prediction_id,
        "decision": one.decision,
        **score,
        "rung": one.rung,
        "reasons": one.reasons,
        "warnings": one.warnings,
    }
