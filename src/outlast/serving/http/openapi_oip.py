"""The Open Inference Protocol in the description of a server: each model with its own tensors and an example."""

from collections.abc import Sequence
from typing import Any

from outlast.bundle.predictor import Predictor
from outlast.serving.http.openapi_words import ASKED, FAULTS
from outlast.serving.oip.saying import Column, inputs_of, outputs_of
from outlast.serving.oip.tensors import DATATYPES

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
_PLACE: Schema = {"error": _TEXT, "kind": _TEXT, "row": {"type": "integer"}, "field": _TEXT}
ERROR: Schema = {"type": "object", "properties": _PLACE, "required": ["error", "kind"]}


def paths(predictors: Sequence[Predictor]) -> Schema:
    """Every operation below /v2; a version is named by /versions/N behind the model."""
    found: Schema = {
        "/v2": {"get": _get("inference_server", "What this server is", _flat("name", "version", "extensions"))},
        "/v2/health/live": {"get": _get("inference_live", "The process answers", _flag("live"), also=("503",))},
        "/v2/health/ready": {"get": _get("inference_ready", "All is loaded", _flag("ready"), also=("503",))},
    }
    for one in predictors:
        below, name = f"/v2/models/{one.model}", one.model
        told = _flat("name", "versions", "platform", "inputs", "outputs")
        found[below] = {"get": _get(f"metadata_{name}", f"What {name} takes and gives", told)}
        found[f"{below}/ready"] = {
            "get": _get(f"ready_{name}", f"Whether {name} is in service", _flat("name", "ready"))
        }
        found[f"{below}/infer"] = {"post": _infer(one)}
    return found


def _get(name: str, what: str, schema: Schema, *, also: Sequence[str] = ()) -> Schema:
    content = {"application/json": {"schema": schema}}
    responses: Schema = {status: {"description": what, "content": content} for status in ("200", *also)}
    return {"operationId": name, "summary": what, "responses": responses | _faults("400", "401", "403", "404")}


def _infer(predictor: Predictor) -> Schema:
    names = [one.name for one in outputs_of(predictor)]
    output: Schema = {"type": "object", "properties": {"name": {"enum": names}}, "required": ["name"]}
    request: Schema = {
        "id": _TEXT,
        "inputs": {"type": "array", "items": _tensor(), "minItems": 1},
        "outputs": {"type": "array", "items": output},
    }
    response: Schema = {
        "model_name": {"const": predictor.model},
        "model_version": _TEXT,
        "id": _TEXT,
        "outputs": {"type": "array", "items": _tensor()},
    }
    as_json = {"schema": _object(request, "inputs"), "examples": {"one": {"value": example(predictor)}}}
    answered = {"schema": _object(response, "model_name", "model_version", "outputs")}
    done = {"application/json": answered, "application/octet-stream": {"schema": {}}}
    return {
        "operationId": f"infer_{predictor.model}",
        "summary": f"Ask {predictor.model} in tensors",
        "description": "With Inference-Header-Content-Length, tensors follow the JSON as bytes.",
        "requestBody": {"required": True, "content": {"application/json": as_json}},
        "responses": {"200": {"description": "Done", "content": done}} | _faults(*ASKED),
    }


def example(predictor: Predictor) -> Schema:
    """A request for one row from training."""
    row = predictor.example()
    inputs = [_sent(one, row[one.name]) for one in inputs_of(predictor) if row.get(one.name) is not None]
    return {"inputs": inputs, "outputs": [{"name": "decision"}]}


def _sent(one: Column, value: Any) -> Schema:
    return {"name": one.name, "datatype": one.datatype, "shape": [1], "data": [value]}


def _tensor() -> Schema:
    fields: Schema = {
        "name": _TEXT,
        "datatype": {"enum": list(DATATYPES)},
        "shape": _SHAPE,
        "data": {"type": "array"},
        "parameters": {"type": "object"},
    }
    return _object(fields, "name", "datatype", "shape")


def _object(fields: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": fields, "required": list(required)}


def _flat(*names: str) -> Schema:
    return {"type": "object", "required": list(names)}


def _flag(name: str) -> Schema:
    return _object({name: {"type": "boolean"}}, name)


def _faults(*statuses: str) -> Schema:
    fault = {"application/json": {"schema": {"$ref": "#/components/schemas/InferenceError"}}}
    return {status: {"description": FAULTS[status], "content": fault} for status in statuses}
