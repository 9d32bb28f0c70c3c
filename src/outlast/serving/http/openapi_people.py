"""What people tell a server, and what it asks of them, in OpenAPI: actions, and the queue."""

from collections.abc import Callable, Sequence
from typing import Any

from outlast.bundle.predictor import Predictor
from outlast.serving.actions import DONE, LONGEST

Schema = dict[str, Any]
Post = Callable[[str, str, Schema, Schema], Schema]
Key = Callable[[Predictor], Schema]
_TEXT: Schema = {"type": "string"}


def paths(predictors: Sequence[Predictor], post: Post, key: Key) -> Schema:
    """The paths of each model."""
    return {f"/actions/{one.model}": {"post": _actions(one, post, key)} for one in predictors}


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
    answer: Schema = {"type": "object", "properties": accepted, "required": list(accepted)}
    what = f"Tell what people did with answers of {predictor.model}"
    return post(f"actions_{predictor.model}", what, {"anyOf": [batch, one]}, answer)
