"""A server as people start it, whose log is read and whose traces are received."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running import eventually


@dataclass(frozen=True)
class Span:
    """A span as it was received."""

    name: str
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    said: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """What receives traces over OTLP."""

    address: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)

    def of(self, trace: str, name: str) -> tuple[Span, list[Span]]:
        """The request's own span of a trace, and its steps; waits until they are there."""
        eventually(lambda: [one for one in self.spans if one.trace == trace and one.name == name])
        (whole,) = [one for one in self.spans if one.trace == trace and one.name == name]
        return whole, [one for one in self.spans if one.parent == whole.id]

    def take(self, body: bytes) -> None:
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_said(one.resource.attributes))
            self.spans += [
                Span(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _said(span.attributes),
                    span.status.code == 2,
                )
                for scope in one.scope_spans
                for span in scope.spans
            ]


def _said(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Observed:
    """A server, and all that it says."""

    address: str
    grpc: str
    process: subprocess.Popen[str]
    log: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(60)


@contextmanager
def observed(folder: Path, *, command: list[str] | None = None, **environment: str) -> Iterator[Observed]:
    """`outlast serve` in a project's folder."""
    log = folder / "serving.log"
    start = command or [sys.executable, "-m", "outlast"]
    with (
        log.open("w") as said,
        subprocess.Popen(
            [*start, "serve", "--port", "0", "--grpc-port", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env={**os.environ, "MLFLOW_TRACKING_URI": "off", **environment},
        ) as process,
    ):
        assert process.stdout is not None
        found = re.search(r"(http://\S+) and grpc://(\S+)", process.stdout.readline())
        assert found, log.read_text()
        server = Observed(found[1], found[2], process, log)
        try:
            yield server
        finally:
            server.stop()
