"""What /openapi.json promises of /control, a real server keeps, and the table of operations is all of it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from outlast.control.http import controls
from outlast.control.operations import ARTIFACT, OPERATIONS
from outlast.project.workspace import Workspace
from outlast.registry.tokens import Wanted, create
from outlast.registry.versions import register
from outlast.serving.server import local
from outlast.types import digest_of, now

LABELS = {f"{'POST' if one.posted else 'GET'} /control/{one.name}": one for one in OPERATIONS}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


class Described(NamedTuple):
    schema: Any
    headers: dict[str, str]

    def operation(self, label: str) -> Any:
        return self.schema.find_operation_by_label(label)

    def ask(self, case: Any) -> int:
        """The status of the answer, which is one that is described, with the body that is."""
        return int(case.call_and_validate(checks=CHECKS, headers=self.headers).status_code)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """A server of a version whose bundle is gone, as it describes itself to an admin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        place = Workspace.find(tmp_path_factory.mktemp("control"))
        record = {
            "code_digest": None,
            "task": "binary",
            "summary": {"contract": {}},
            "lineage": {},
            "by": "ada",
            "at": now(),
        }
        register(place.ledger, "late", digest=digest_of("late"), **record)
        secret = create(place.ledger, Wanted.of("ada", ["admin"], at=now()), by="ada", at=now())[1]
        headers = {"authorization": f"Bearer {secret}"}
        with controls(place) as extra, local(place, extra=extra) as address:
            said = httpx.get(f"{address}/openapi.json", headers=headers).json()
            schema = schemathesis.openapi.from_dict(said)
            schema.config.update(base_url=address)
            yield Described(schema, headers)
        place.ledger.dispose()


def test_every_operation_is_described_with_its_roles(described: Described) -> None:
    paths = {path: one for path, one in described.schema.raw_schema["paths"].items() if path.startswith("/control/")}
    assert {f"{method.upper()} {path}" for path, one in paths.items() for method in one} == {
        *LABELS,
        f"POST /control/{ARTIFACT}",
    }
    for label, operation in LABELS.items():
        method, path = label.split()
        said = paths[path][method.lower()]
        assert said["summary"] == operation.says
        assert [one["token"] for one in said["security"]] == [[role] for role in operation.roles]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
def test_no_request_breaks_it_and_every_answer_is_as_described(
    described: Described, label: str, mode: GenerationMode
) -> None:
    operation = described.operation(label)
    if mode == GenerationMode.NEGATIVE and label.startswith("GET"):
        mode = GenerationMode.POSITIVE  # of a query, nearly everything is a text

    @settings(derandomize=True, database=None, deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def tried(case: Any) -> None:
        assert described.ask(case) != 500

    tried()


@pytest.mark.parametrize(
    ("label", "given"),
    [
        ("GET /control/versions", {"query": {}}),
        ("GET /control/show", {"query": {"model": "late@1"}}),
        ("GET /control/history", {"query": {"model": "late"}}),
        ("GET /control/audit-log", {"query": {"limit": "2", "since": "2020-01-01T00:00:00Z"}}),
        ("GET /control/audit-verify", {"query": {}}),
        ("GET /control/tokens", {"query": {}}),
        ("POST /control/create-token", {"body": {"name": "eve", "roles": ["view"]}, "media_type": "application/json"}),
        ("POST /control/retire", {"body": {"model": "late@1"}, "media_type": "application/json"}),
    ],
)
def test_what_is_given_is_as_described(described: Described, label: str, given: dict[str, Any]) -> None:
    case = described.operation(label).Case(**given)
    assert described.ask(case) == 200
