"""Requests that arrive when they are due, at a server that answers, is slow, or refuses."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from outlast.gates.latency import _held
from outlast.gates.load import Timed, load


@contextmanager
def answering(status: int, seconds: float) -> Iterator[str]:
    """A server that takes so long for each answer, one answer at a time."""
    alone = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with alone:
                time.sleep(seconds)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load of one second, and nothing asked after it."""
    for name, seconds in (("SECONDS", 1.0), ("_MORE", 0.0)):
        monkeypatch.setattr(f"outlast.gates.load.{name}", seconds)


@pytest.mark.usefixtures("short")
def test_a_server_that_falls_behind_is_not_spared_the_wait() -> None:
    """At 40 a second and 50 ms each, requests queue: from when they were due the last ones wait for a second."""
    with answering(200, 0.05) as address:
        found = load(address, "/", [{}], 40.0, within=0.15, seed=1)
    assert found.failed == 0
    assert found.p99 > 600
    assert found.slow > found.requests / 2


@pytest.mark.parametrize("more", [0.0, 1.0])
@pytest.mark.usefixtures("short")
def test_refused_requests_are_counted_as_failed(more: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those asked when they are due, and those asked one by one after them."""
    monkeypatch.setattr("outlast.gates.load._MORE", more)
    with answering(503, 0.0) as address:
        found = load(address, "/", [{}], 10.0, within=1.0, seed=1)
    assert found.failed == found.requests
    assert found.requests == 10 if more == 0.0 else found.requests > 10


@pytest.mark.parametrize(
    ("slow", "failed", "held"), [(0, 0, True), (1, 0, True), (3, 0, True), (4, 0, False), (0, 1, False)]
)
def test_of_a_hundred_answers_four_late_ones_are_more_than_luck(slow: int, failed: int, held: bool) -> None:
    assert _held(Timed(1.0, 1.0, 100, slow, failed, 0, 1.0, 0.1)) is held
