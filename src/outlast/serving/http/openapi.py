"""The description of a server in OpenAPI 3.1, from the schemas of the versions it serves."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from outlast.bundle.falls import Policy
from outlast.bundle.predictor import Predictor
from outlast.data.schema import Field
from outlast.serving.http import openapi_oip as inference
from outlast.serving.http import openapi_people as people
from outlast.serving.http.access import Extra
from outlast.serving.http.openapi_words import ASKED, FAULTS

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_ANY: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}


def document(predictors: Sequence[Predictor], extra: Extra) -> Schema:
    """The whole description, with what is answered beside the models."""
    paths: Schema = {f"/predict/{one.model}": {"post": _predict(one)} for one in predictors}
    paths |= {f"/labels/{one.model}": {"post": _labels(one)} for one in predictors}
    paths |= {"/facts/{source}": {"post": _facts()}, "/invocations": {"post": _invocations(predictors)}}
    paths |= people.paths(predictors, _post, _key) | inference.paths(predictors)
    for path, what in _READS.items():
        paths[path] = {
            "get": {"summary": what, "operationId": path.strip("/") or "index", "responses": _reads(path, what)}
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Outlast", "version": version("outlast"), "description": "Predictions, and what turned out."},
        "paths": {**paths, **extra.described},
        "components": {
            "schemas": {**extra.schemas, "Error": _ERROR, "InferenceError": inference.ERROR},
            "securitySchemes": {"token": _BEARER},
        },
        "security": [{"token": []}, {}],
    }


def row_schema(predictor: Predictor) -> Schema:
    """One row as a caller sends it."""
    policy = Policy.of(predictor.contract, "")
    must = {ask.name: policy.requires(ask.name, nulls=ask.nulls > 0) for ask in predictor.asks}
    fields = {ask.name: field_schema(ask, nullable=not must[ask.name]) for ask in predictor.asks}
    for part in predictor.key_fields:
        fields.setdefault(part.name, field_schema(part, nullable=True) | {"description": "Names the question."})
    if predictor.time is not None:
        moment = {"type": ["string", "null"], "format": "date-time"}
        fields.setdefault(predictor.time, moment | {"description": "The moment of decision; now when it is left out."})
    required = [name for name, needed in must.items() if needed]
    return {"type": "object", "properties": fields, "required": required}


def field_schema(field: Field, *, nullable: bool) -> Schema:
    """A field by its type in training."""
    found = _typed(field.dtype)
    if nullable:
        found["type"] = [found["type"], "null"]
    if field.categories:
        found["examples"] = field.categories[:5]
    elif field.low is not None and field.high is not None:
        found["description"] = f"In training from {field.low} to {field.high}."
    return found


def _typed(dtype: str) -> Schema:
    if dtype == "Boolean":
        return {"type": "boolean"}
    if dtype.startswith(("Int", "UInt")):
        bits = int(dtype.lstrip("UInt"))
        low, high = (0, 2**bits - 1) if dtype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": "integer", "minimum": low, "maximum": high}
    if dtype.startswith(("Float", "Decimal")):
        return {"type": "number"}
    for begins, written in (("Datetime", "date-time"), ("Date", "date"), ("Time", "time")):
        if dtype.startswith(begins):
            return {"type": "string", "format": written}
    return {"type": "string"}


def answer_schema(predictor: Predictor) -> Schema:
    """One answer."""
    number: Schema = {"type": ["number", "null"]}
    score = {"scores": {"type": ["object", "null"], "additionalProperties": number}}
    decision: Schema = {"type": ["number", "string", "null"]}
    fields: Schema = {
        "prediction_id": _TEXT,
        "decision": decision,
        **(score if predictor.task == "multiclass" else {"score": number}),
        "rung": {"enum": ["full", "simpler", "default", "refused"]},
        "reasons": _TEXTS,
        "warnings": _TEXTS,
        "unsure": {"const": True, "description": "Its score is where the contract says that people should look."},
        "explanation": _EXPLANATION,
        "unexplained": {**_TEXT, "description": "Why there is no explanation."},
    }
    required = [name for name in fields if name not in _MAY_LACK]
    return {"type": "object", "properties": fields, "required": required}


def _predict(predictor: Predictor) -> Schema:
    row, answer = row_schema(predictor), answer_schema(predictor)
    head: Schema = {"model": {"const": predictor.model}, "version": {"type": "integer"}}
    advice = {"advice": {"const": True, "description": "The answers are advice only."}}
    one = {**answer, "properties": {**head, **advice, **answer["properties"]}}
    many_fields = {**head, "predictions": {"type": "array", "items": answer}}
    many: Schema = {"type": "object", "properties": {**advice, **many_fields}, "required": list(many_fields)}
    rows: Schema = {"type": "array", "items": row, "minItems": 1, "maxItems": 10_000}
    batch = _alone("rows", rows)
    example = predictor.example()
    examples = {"one": {"value": example}, "several": {"value": {"rows": [example]}}}
    what = predictor.contract.model.problem or f"Ask {predictor.model}"
    body, found = {"anyOf": [batch, row]}, {"anyOf": [many, one]}
    operation = _post(f"predict_{predictor.model}", what, body, found, examples=examples)
    operation["parameters"] = _explaining(predictor)
    return operation


def _explaining(predictor: Predictor) -> list[Schema]:
    """The parameters that ask what each feature added."""
    explain: Schema = {"name": "explain", "in": "query", "schema": {"type": "boolean"}}
    found: list[Schema] = [explain | {"description": "Say what each feature added to the answer."}]
    if predictor.task != "regression":
        of: Schema = {"name": "explain_of", "in": "query", "schema": {"enum": predictor.outcomes}}
        found.append(of | {"description": "The outcome whose score is explained."})
    return found


def _labels(predictor: Predictor) -> Schema:
    value = {"binary": {"type": "boolean"}, "regression": {"type": "number"}}.get(
        predictor.task, {"type": ["string", "integer", "boolean"]}
    )
    fields: Schema = {
        "prediction_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "key": _key(predictor),
        "value": value,
        "known_at": {"type": "string", "format": "date-time"},
    }
    one: Schema = {
        "type": "object",
        "properties": fields,
        "required": ["value"],
        "oneOf": [{"required": ["prediction_id"]}, {"required": ["key"]}],
        "additionalProperties": False,
    }
    many: Schema = {"type": "array", "items": one, "minItems": 1, "maxItems": 10_000}
    batch = _alone("labels", many)
    what = f"Tell what turned out for {predictor.model}"
    return _post(f"labels_{predictor.model}", what, {"anyOf": [batch, one]}, _accepted("model"))


def _key(predictor: Predictor) -> Schema:
    """The key of a question: its value where it has one part, an object of its parts otherwise or as well."""
    parts = {part.name: field_schema(part, nullable=False) for part in predictor.key_fields}
    if not parts:
        return {"type": ["string", "integer"]}
    whole: Schema = {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
    return {"anyOf": [*parts.values(), whole]} if len(parts) == 1 else whole


def _facts() -> Schema:
    row: Schema = {"type": "object"}
    batch: Schema = {"type": "object", "properties": {"rows": {"type": "array", "items": row}}, "required": ["rows"]}
    what = "Tell facts of a source; a row with retracted: true withdraws the fact with its key"
    operation = _post("facts", what, {"anyOf": [batch, row]}, _accepted("source"))
    operation["parameters"] = [{"name": "source", "in": "path", "required": True, "schema": _TEXT}]
    return operation


def _invocations(predictors: Sequence[Predictor]) -> Schema:
    records: Schema = {"type": "array", "items": {"type": "object"}, "minItems": 1}
    split_fields: Schema = {"columns": _TEXTS, "data": {"type": "array", "items": {"type": "array"}}}
    forms: Schema = {
        "dataframe_split": {"type": "object", "properties": split_fields, "required": ["data"]},
        "dataframe_records": records,
        "instances": {"type": "array", "minItems": 1},
        "inputs": {"type": ["object", "array"], "minItems": 1, "minProperties": 1},
    }
    body: Schema = {"anyOf": [{"type": "object", "properties": {f: s}, "required": [f]} for f, s in forms.items()]}
    fields: Schema = {"predictions": {"type": "array"}, "advice": {"type": "boolean"}}
    answer: Schema = {"type": "object", "properties": fields, "required": ["predictions"]}
    operation = _post("invocations", "The scoring protocol of MLflow", body, answer)
    operation["requestBody"]["content"]["text/csv"] = {"schema": _TEXT}
    served = {"enum": [one.model for one in predictors]} if predictors else {}  # of no word, none can be right
    names: Schema = _TEXT | served
    operation["parameters"] = [{"name": "model", "in": "query", "required": len(predictors) != 1, "schema": names}]
    return operation


def _alone(name: str, schema: Schema) -> Schema:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _reads(path: str, what: str) -> Schema:
    plain = path in ("/metrics", "/version")
    content: Schema = {"text/plain": {"schema": _TEXT}} if plain else {"application/json": {"schema": _ANY}}
    found: Schema = {"200": {"description": what, "content": content}}
    if path in ("/livez", "/readyz"):
        found["503"] = {"description": "Not now", "content": content}
    return found | faults(("401", "403"))


def faults(statuses: Iterable[str]) -> Schema:
    """What an answer of each status says when something is wrong."""
    fault = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": FAULTS[status], "content": fault} for status in statuses}


def _accepted(what: str) -> Schema:
    fields: Schema = {what: _TEXT, "accepted": {"type": "integer"}}
    return {"type": "object", "properties": fields, "required": list(fields)}


def _post(name: str, what: str, body: Schema, answer: Schema, *, examples: Schema | None = None) -> Schema:
    content: Schema = {"schema": body, **({"examples": examples} if examples else {})}
    responses: Schema = {"200": {"description": "Done", "content": {"application/json": {"schema": answer}}}}
    responses |= faults(ASKED)
    return {
        "operationId": name,
        "summary": what,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": responses,
    }


_BEARER: Schema = {
    "type": "http",
    "scheme": "bearer",
    "description": "From the first token of a workspace on; the secret that `outlast token create` shows.",
}
_PLACE: Schema = {"kind": _TEXT, "message": _TEXT, "row": {"type": "integer"}, "field": _TEXT, "prediction_id": _TEXT}
_ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "object", "properties": _PLACE, "required": ["kind", "message"]}},
    "required": ["error"],
}
_MAY_LACK = ("score", "scores", "unsure", "explanation", "unexplained")
_NUMBER: Schema = {"type": "number"}
_PARTS: Schema = {
    "of": {"type": ["string", "null"]},
    "unit": _TEXT,
    "base": _NUMBER,
    "base_score": _NUMBER,
    "margin": _NUMBER,
    "score": _NUMBER,
    "contributions": {
        "type": "array",
        "items": {"type": "object", "properties": {"field": _TEXT, "value": {}, "by": _NUMBER}},
    },
    "reference_rows": {"type": "integer"},
}
_EXPLANATION: Schema = {
    "type": ["object", "null"],
    "description": "Where it was asked for: what each feature added; base and all that is added make the margin.",
    "properties": _PARTS,
    "required": list(_PARTS),
}
_READS = {
    "/ping": "The process answers",
    "/health": "The same, as MLflow's clients ask",
    "/version": "The release of MLflow whose scoring protocol is spoken",
    "/livez": "The process answers and watches the ledger",
    "/readyz": "There is something to serve",
    "/metrics": "Counters and times, for Prometheus",
    "/openapi.json": "This description",
    "/": "What is served, with an example of each",
}
