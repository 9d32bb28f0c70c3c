"""`/control` in OpenAPI, from the table of operations: nothing of it is written twice."""

from inspect import cleandoc
from typing import Any

import msgspec

from outlast.control.lines import KIND, Line
from outlast.control.operations import ARTIFACT, OPERATIONS, PROTOCOL, UPLOADS, Operation
from outlast.registry.tokens import Role
from outlast.serving.http.openapi import Schema, faults

PROTOCOL_HEADER = "x-outlast-control"
_REFS = "#/components/schemas/{name}"
_TYPES = [*(kind for one in OPERATIONS for kind in (one.takes, one.gives)), Line]
_READING = ("401", "403", "404", "409", "422", "500", "503")
_POSTING = ("400", "408", "413", "415", *_READING)


def described() -> tuple[Schema, Schema]:
    """The paths, and the schemas that they refer to."""
    found, schemas = msgspec.json.schema_components(_TYPES, ref_template=_REFS)
    for one in schemas.values():
        if "description" in one:
            one["description"] = cleandoc(one["description"])
    *pairs, lines = found
    shapes = zip(OPERATIONS, pairs[::2], pairs[1::2], strict=True)
    paths = {
        f"/control/{one.name}": _posted(one, takes, gives, lines) if one.posted else _got(one, schemas, gives)
        for one, takes, gives in shapes
    }
    return {**paths, f"/control/{ARTIFACT}": _uploaded()}, schemas


def _posted(operation: Operation[Any, Any], takes: Schema, gives: Schema, lines: Schema) -> Schema:
    told = {"application/json": {"schema": gives}, KIND: {"schema": lines}}
    body = {"required": True, "content": {"application/json": {"schema": takes}}}
    described = _described(operation.name, operation.says, operation.roles)
    return {"post": {**described, "requestBody": body, "responses": _answers(told, _POSTING)}}


def _got(operation: Operation[Any, Any], schemas: Schema, gives: Schema) -> Schema:
    described = _described(operation.name, operation.says, operation.roles)
    takes = schemas[operation.takes.__name__]
    given = [
        {"name": name, "in": "query", "required": name in takes["required"], "schema": _stated(schema)}
        for name, schema in takes["properties"].items()
    ]
    content = {"application/json": {"schema": gives}}
    parameters = [*described["parameters"], *given]
    return {"get": {**described, "parameters": parameters, "responses": _answers(content, _READING)}}


def _uploaded() -> Schema:
    what = "Keep a body for a register to name"
    fields: Schema = {"digest": {"type": "string"}}
    content = {"application/json": {"schema": {"type": "object", "properties": fields, "required": ["digest"]}}}
    body = {"required": True, "content": {"application/octet-stream": {"schema": {}}}}
    described = _described(ARTIFACT, what, (UPLOADS,))
    return {"post": {**described, "requestBody": body, "responses": _answers(content, _POSTING)}}


def _described(name: str, says: str, roles: tuple[Role, ...]) -> Schema:
    header = {"name": PROTOCOL_HEADER, "in": "header", "required": False, "schema": {"enum": [str(PROTOCOL)]}}
    return {
        "operationId": f"control_{name}",
        "summary": says,
        "description": f"For a token with the role {' or '.join(dict.fromkeys((*roles, 'admin')))}.",
        "security": [{"token": [role]} for role in roles],
        "parameters": [header],
    }


def _stated(schema: Schema) -> Schema:
    """The schema of a value that is given: in a query, none is said by leaving it out."""
    kinds = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return kinds[0] if kinds else schema


def _answers(content: Schema, statuses: tuple[str, ...]) -> Schema:
    return {"200": {"description": "Done", "content": content}, **faults(statuses)}
