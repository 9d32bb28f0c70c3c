"""What people tell a server, and what it asks of them, in OpenAPI: actions, and the queue."""

from collections.abc import Callable, Sequence
from typing import Any

from outlast.bundle.predictor import Predictor
from outlast.serving.actions import DONE, LONGEST

Schema = dict[str, Any]
Post = Callable[[str, str, Schema, Schema], Schema]
Key = Callable[[Predictor], Schema]
_TEXT: Schema = {"type": "string"}
_BY: Schema = {"type": "string", "minLength": 1, "maxLength": 100}


def paths(predictors: Sequence[Predictor], post: Post, key: Key) -> Schema:
    """The paths of each model."""
    found: Schema = {}
    for one in predictors:
        found[f"/actions/{one.model}"] = {"post": _actions(one, post, key)}
        found[f"/queue/{one.model}"] = {"get": _queue(one.model, post)}
        about = f"/queue/{one.model}/{{prediction_id}}"
        found[f"{about}/claim"] = {"post": _claim(one.model, post)}
        found[f"{about}/resolve"] = {"post": _resolve(one.model, post)}
    return found


def _queue(model: str, post: Post) -> Schema:
    texts: Schema = {"type": "array", "items": _TEXT}
    one: Schema = {
        "prediction_id": _TEXT,
        "model": _TEXT,
        "version": {"type": "integer"},
        "why": {"enum": ["unsure", "refused"]},
        "at": {"type": "string", "format": "date-time"},
        **{key: {"type": ["string", "null"]} for key in ("key", "decision", "claimed_by", "claimed_until")},
        **{key: {"type": ["object", "null"]} for key in ("asks", "scores")},
        "score": {"type": ["number", "null"]},
        "reasons": texts,
    }
    waiting: Schema = {"type": "array", "items": {"type": "object", "properties": one, "required": list(one)}}
    what = f"What waits for people of {model}"
    found = post(f"queue_{model}", what, {}, _of({"model": _TEXT, "waiting": waiting}))
    del found["requestBody"]
    return found


def _claim(model: str, post: Post) -> Schema:
    told = dict.fromkeys(("model", "prediction_id", "claimed_by", "claimed_until"), _TEXT)
    body: Schema = {"type": "object", "properties": {"by": _BY}, "additionalProperties": False}
    return _about(post(f"claim_{model}", f"Take a question of {model} for oneself", body, _of(told)))


def _resolve(model: str, post: Post) -> Schema:
    value: Schema = {"type": ["boolean", "number", "string"]}
    comment: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST}
    body: Schema = {"type": "object", "properties": {"value": value, "comment": comment, "by": _BY}}
    body |= {"required": ["value"], "additionalProperties": False}
    told: Schema = {"model": _TEXT, "prediction_id": _TEXT, "value": value, "by": _TEXT}
    return _about(post(f"resolve_{model}", f"Say what a question of {model} turned out to be", body, _of(told)))


def _about(operation: Schema) -> Schema:
    operation["parameters"] = [{"name": "prediction_id", "in": "path", "required": True, "schema": _TEXT}]
    operation["responses"]["409"] = operation["responses"]["422"] | {"description": "Somebody else has claimed it"}
    return operation


def _of(fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": list(fields)}


def _actions(predictor: Predictor, post: Post, key: Key) -> Schema:
    fields: Schema = {
        "prediction_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "key": key(predictor),
        "action": {"enum": list(DONE)},
        "comment": {"type": "string", "minLength": 1, "maxLength": LONGEST},
        "by": {"type": "string", "minLength": 1, "maxLength": 200},
    }
    one: Schema = {
        "type": "object",
        "properties": fields,
        "anyOf": [{"required": ["action"]}, {"required": ["comment"]}],
        "oneOf": [{"required": ["prediction_id"]}, {"required": ["key"]}],
        "additionalProperties": False,
    }
    many: Schema = {"type": "array", "items": one, "minItems": 1, "maxItems": 10_000}
    batch: Schema = {"type": "object", "properties": {"actions": many}, "required": ["actions"]}
    batch["additionalProperties"] = False
    accepted: Schema = {"model": _TEXT, "accepted": {"type": "integer"}}
    what = f"Tell what people did with answers of {predictor.model}"
    return post(f"actions_{predictor.model}", what, {"anyOf": [batch, one]}, _of(accepted))
