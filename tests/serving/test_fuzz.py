"""Whatever comes over the wire is answered, or refused in words: no accident, and the server goes on."""

import json
import re
import shutil
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from late_project import ROW, promote
from observed import Observed, observed
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from outlast.control.operations import OPERATIONS
from outlast.project.workspace import Workspace
from outlast.registry.tokens import Wanted, create
from outlast.serving.http.app import paths
from outlast.types import now

DECLARED = {"busy", "late", "unavailable", "storage"}
"""The kinds of refusals that say: not now."""
JSON = {"content-type": "application/json"}
TENSORS = [
    {"name": name, "datatype": "FP64" if isinstance(value, float) else "BYTES", "shape": [1], "data": [value]}
    for name, value in ROW.items()
]
VALID = {
    "/predict/late": {"rows": [ROW, {**ROW, "flight": "F1"}]},
    "/invocations": {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}},
    "/v2/models/late/infer": {"id": "7", "inputs": TENSORS, "outputs": [{"name": "score"}]},
    "/labels/late": {"labels": [{"prediction_id": "0" * 30, "value": True}]},
    "/facts/weather": {"rows": [{"origin": "JFK", "at": "2013-06-28T13:00:00Z", "wind": 3.0}]},
    "/control/create-token": {"name": "eve", "roles": ["view"], "models": ["late"]},
}
NAMES = {"model": "late", "source": "weather", "version": "1", "prediction_id": "0" * 30}
PLACES = sorted({*(path.format(**NAMES) for path in paths()), "/none"})
PLACES += [f"/control/{one.name}" for one in OPERATIONS]
WORDS = [b"null", b"NaN", b"1e999", b"-0", b"\\ud800", b"\xff", b"\x00", b"{", b"]", b'""', b"9" * 40, b"true"]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from(WORDS) | st.binary(max_size=4) | st.text(max_size=3)),
    max_size=4,
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "X-Y"])
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "X-Request-Id",
            "X-Request-Timeout-Ms",
            "Content-Type",
            "Content-Encoding",
            "Content-Length",
            "Accept",
            "traceparent",
            "Origin",
            "Inference-Header-Content-Length",
            "Expect",
            "Transfer-Encoding",
            "Connection",
        ]
    ),
    st.sampled_from([b"", b"0", b"-1", b"1", b"99999999999", b"application/json", b"text/csv", b"chunked", b"\xff\x01"])
    | st.binary(max_size=6).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"")),
    max_size=4,
)
QUICK = 60
LENGTHS = [QUICK, pytest.param(4000, marks=pytest.mark.slow)]


class Server(NamedTuple):
    observed: Observed
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}


@pytest.fixture(scope="module")
def fuzzed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as people start it, with all that it has, and the token of an admin."""
    place = Workspace.find(shutil.copytree(trained, tmp_path_factory.mktemp("fuzz") / "late"))
    promote(place, 1)
    secret = create(place.ledger, Wanted.of("ada", ["admin"], at=now()), by="ada", at=now())[1]
    with observed(place.root, OUTLAST_LOG_FORMAT="json") as server:
        yield Server(server, secret)
    place.ledger.dispose()


def tries(examples: int) -> settings:
    """So many, the same on every run of the suite; a long run tries others each time."""
    return settings(
        derandomize=examples == QUICK,
        database=None,
        deadline=None,
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
    )


def checked(status: int, body: bytes) -> int:
    """The status, of an answer that is no accident."""
    if status >= 500:
        told = json.loads(body)
        kind = told["kind"] if "kind" in told else told["error"]["kind"]
        assert (status, kind) in {(503, one) for one in DECLARED} | {(504, "late")}, body
    return status


@pytest.mark.parametrize("examples", LENGTHS)
def test_bytes_near_a_valid_body_are_answered_or_refused(fuzzed: Server, examples: int) -> None:
    seen = set()

    @tries(examples)
    @given(st.sampled_from(sorted(VALID)), EDITS)
    def tried(path: str, edits: list[tuple[float, int, bytes | str]]) -> None:
        body = json.dumps(VALID[path]).encode()
        for share, over, new in edits:
            at = int(share * len(body))
            junk = new.encode("utf-8", "surrogatepass") if isinstance(new, str) else new
            body = body[:at] + junk + body[at + over :]
        answer = client.post(path, content=body, headers=JSON)
        seen.add(checked(answer.status_code, answer.content))

    with httpx.Client(base_url=fuzzed.observed.address, timeout=60, headers=fuzzed.headers) as client:
        tried()
    assert 200 in seen
    assert seen & {400, 422}


@pytest.mark.parametrize("examples", LENGTHS)
def test_whatever_is_sent_as_http_is_answered_or_the_connection_is_closed(fuzzed: Server, examples: int) -> None:
    seen: set[int] = set()
    where = urlsplit(fuzzed.observed.address)

    @tries(examples)
    @given(METHODS, st.sampled_from(PLACES) | st.text(max_size=8), HEADERS, st.booleans(), st.binary(max_size=12))
    def tried(method: str, path: str, headers: dict[str, bytes], known: bool, body: bytes) -> None:
        lines = [f"{method} {path} HTTP/1.1".encode("utf-8", "surrogatepass"), b"Host: localhost"]
        lines += [name.encode() + b": " + value for name, value in headers.items()]
        lines += [f"Authorization: Bearer {fuzzed.secret}".encode()] if known else []
        with socket.create_connection((where.hostname, where.port), timeout=60) as sent:
            sent.sendall(b"\r\n".join([*lines, b"", body]))
            sent.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: sent.recv(1 << 16), b""))
        for status, rest in re.findall(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n(.*?)(?=HTTP/1\.1 \d{3} |\Z)", got, re.DOTALL):
            seen.add(checked(int(status), rest))

    tried()
    assert seen & {200, 400, 401, 404, 405}


@pytest.mark.slow
def test_every_operation_that_is_described_keeps_its_promise(fuzzed: Server) -> None:
    said = httpx.get(f"{fuzzed.observed.address}/openapi.json", headers=fuzzed.headers).json()
    schema = schemathesis.openapi.from_dict(said)
    schema.config.update(base_url=fuzzed.observed.address)
    # what changes what is served comes last: nothing is left to ask after it
    found = sorted((one.ok() for one in schema.get_all_operations()), key=lambda one: "POST /control" in one.label)
    for operation, mode in product(found, (GenerationMode.NEGATIVE, GenerationMode.POSITIVE)):
        if mode == GenerationMode.NEGATIVE and operation.label.startswith("GET"):
            continue  # of a query, nearly everything is a text
        many = 4 if "POST /control" in operation.label else 20 if "control" in operation.label else 100

        @tries(many)
        @given(case=operation.as_strategy(generation_mode=mode))
        def tried(case: Any) -> None:
            checks = [status_code_conformance, content_type_conformance]
            answer = case.call_and_validate(checks=checks, headers=fuzzed.headers, timeout=120)
            checked(answer.status_code, answer.content)

        tried()


def test_nothing_was_an_accident_and_the_server_answers_still(fuzzed: Server) -> None:
    assert [line for line in fuzzed.observed.lines() if "exception" in line] == []
    found = httpx.get(f"{fuzzed.observed.address}/metrics", headers=fuzzed.headers)
    assert 'status="200"' in found.text
    assert 'status="500"' not in found.text
    assert fuzzed.observed.process.poll() is None
