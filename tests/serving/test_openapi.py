"""What the description of a server promises, a real server keeps, for requests made from that description."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from running import Running
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from outlast.serving.http.access import Extra
from outlast.serving.http.openapi import document

READS = ["GET /ping", "GET /health", "GET /version", "GET /livez", "GET /readyz", "GET /metrics", "GET /"]
READS += [
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /v2/models/late",
    "GET /v2/models/late/ready",
    "GET /queue/late",
]
WRITES = [
    "POST /v2/models/late/infer",
    "POST /predict/late",
    "POST /labels/late",
    "POST /actions/late",
    "POST /queue/late/{prediction_id}/claim",
    "POST /queue/late/{prediction_id}/resolve",
    "POST /facts/{source}",
    "POST /invocations",
]
TRIES = [(label, GenerationMode.POSITIVE, 2) for label in READS]
TRIES += [(label, mode, 30) for label in WRITES for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def schema(server: Running) -> Any:
    return schemathesis.openapi.from_url(f"{server.address}/openapi.json")


def test_where_nothing_is_served_the_description_is_one_all_the_same() -> None:
    said = document([], Extra())
    assert "/invocations" in said["paths"]
    assert list(choices(said)) != []
    assert [] not in choices(said)


def choices(schema: Any) -> Iterator[Any]:
    """What stands to choose from, anywhere in a description."""
    for name, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name in ("enum", "anyOf", "oneOf"):
            yield value
        if isinstance(value, dict | list):
            yield from choices(value)


def test_every_operation_is_tried(schema: Any) -> None:
    found = [operation.ok() for operation in schema.get_all_operations()]
    assert sorted(operation.label for operation in found) == sorted(READS + WRITES)  # it leaves out its own source


@pytest.mark.parametrize(("label", "mode", "examples"), TRIES)
def test_no_request_breaks_the_server_and_every_answer_is_as_described(
    schema: Any, label: str, mode: GenerationMode, examples: int
) -> None:
    @settings(
        derandomize=True, database=None, deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck)
    )
    @given(case=schema.find_operation_by_label(label).as_strategy(generation_mode=mode))
    def tried(case: Any) -> None:
        if "{source}" in label and mode == GenerationMode.POSITIVE:
            case.path_parameters = {"source": "weather"}  # the description names no source; any other is a 404
        case.call_and_validate(checks=CHECKS)

    tried()
