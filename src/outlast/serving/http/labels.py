"""POST /labels/{model}: what turned out, by prediction id or by the question's key."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.bundle.predictor import Predictor
from outlast.bundle.requests import MISSING, as_moment, converters, spell_key
from outlast.errors import NotFound, RequestError, nearest
from outlast.journal.records import LabelRecord, label
from outlast.serving.http.body import json_of
from outlast.serving.http.parts import Parts, json_answer, parts_of, request_id
from outlast.serving.http.predict import MOST
from outlast.types import micros, now

_FIELDS = ("prediction_id", "key", "value", "known_at")
_AHEAD = 300_000_000
"""Microseconds a label may be known ahead of our clock, since clocks differ."""


async def labels(request: Request) -> Response:
    """Keep labels: {"labels": [{"prediction_id" or "key", "value", "known_at"?}]}, or one of them alone."""
    parts, name = parts_of(request), request_id(request)
    model = request.path_params["model"]
    body = await json_of(request)
    predictor = parts.house.predictors().get(model)
    if predictor is None:
        await parts.aside(lambda: _known(parts, model))
    at = micros(now())
    records = [_record(one, index, model, predictor, at) for index, one in enumerate(_given(body))]
    if len(records) > 64:
        await parts.aside(lambda: parts.journal.labels(records))
    else:
        parts.journal.labels(records)
    parts.metrics.kept("labels", len(records))
    return json_answer(msgspec.json.encode({"model": model, "accepted": len(records)}), name)


def _known(parts: Parts, model: str) -> None:
    names = parts.house.every_model()
    if model not in names:
        raise NotFound(f"There is no model '{model}': {nearest(model, names)}")


def _given(body: Any) -> Sequence[Any]:
    if not isinstance(body, dict):
        raise RequestError('The body is not an object: send {"labels": [{"prediction_id": "…", "value": …}]}')
    if "labels" not in body:
        return [body]
    found = body["labels"]
    if not isinstance(found, list) or not found or len(body) > 1:
        raise RequestError(
            "'labels' is not an array of labels standing alone: send at least one, and nothing beside it"
        )
    if len(found) > MOST:
        raise RequestError(f"The request has {len(found)} labels, more than {MOST}: send it in parts")
    return found


def _record(one: Any, index: int, model: str, predictor: Predictor | None, at: int) -> LabelRecord:
    if not isinstance(one, dict):
        raise _fault(index, None, "is not an object: expected prediction_id or key, and value")
    unknown = next((name for name in one if name not in _FIELDS), None)
    if unknown is not None:
        raise _fault(index, unknown, f"is not a field of a label: {nearest(unknown, _FIELDS)}")
    prediction_id, key = one.get("prediction_id"), one.get("key")
    if (prediction_id is None) == (key is None):
        raise _fault(index, "prediction_id", "and key: expected exactly one of the two")
    if prediction_id is not None and not (isinstance(prediction_id, str) and 0 < len(prediction_id) <= 200):
        raise _fault(index, "prediction_id", "is not the text that a prediction was answered with")
    return label(
        model,
        _value(one, index, predictor),
        prediction_id=prediction_id,
        key=None if key is None else _key(key, index, predictor),
        known_at=_known_at(one, index, at),
        at=at,
        origin="http",
    )


def _value(one: Mapping[str, Any], index: int, predictor: Predictor | None) -> Any:
    value = one.get("value")
    if value is None or isinstance(value, dict | list):
        raise _fault(index, "value", "is missing: expected what turned out, such as true")
    if predictor is None:
        return value
    if predictor.task == "regression" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _fault(index, "value", f"is {str(value)[:40]!r}: expected a number")
    if predictor.task == "binary" and value not in (True, False):
        raise _fault(index, "value", f"is {str(value)[:40]!r}: expected true or false")
    return bool(value) if predictor.task == "binary" else value


def _key(key: Any, index: int, predictor: Predictor | None) -> str:
    """A key in the spelling that predictions are kept under: a value, or an object where it has several parts."""
    if predictor is None or not predictor.key:
        if isinstance(key, str | int):
            return spell_key([key])
        raise _fault(index, "key", "is not a text or a whole number")
    names = predictor.key
    parts = key if isinstance(key, dict) else {names[0]: key} if len(names) == 1 else {}
    if set(parts) != set(names):
        raise _fault(index, "key", f"is not complete: expected an object with {', '.join(names)}")
    convert = converters(predictor.key_fields)
    found = []
    for name in names:
        to, expected = convert[name]
        value = MISSING if parts[name] is None else to(parts[name])
        if value is MISSING:
            raise _fault(index, "key", f"has {str(parts[name])[:60]!r} as '{name}': expected {expected}")
        found.append(value)
    return spell_key(found)


def _known_at(one: Mapping[str, Any], index: int, at: int) -> int:
    given = one.get("known_at")
    if given is None:
        return at
    moment = as_moment(given)
    if moment is MISSING:
        raise _fault(index, "known_at", f"is {str(given)[:40]!r}: expected a moment such as 2013-07-01T12:00:00Z")
    known = micros(moment)
    if known > at + _AHEAD:
        raise _fault(index, "known_at", f"is {str(given)[:40]}, which is still to come: expected a moment until now")
    return known


def _fault(index: int, field: str | None, says: str) -> RequestError:
    where = f"Label {index}" if field is None else f"Label {index}, field '{field[:80]}'"
    return RequestError(f"{where} {says}", details={"row": index, **({} if field is None else {"field": field})})
