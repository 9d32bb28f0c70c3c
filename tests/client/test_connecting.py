"""The client against a real server, and against one that fails in every way there is."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import polars as pl
import pytest
from late_project import ROW

import outlast
from outlast.client.connecting import Client
from outlast.errors import NotFound, Refused, RequestError, StorageError, Unavailable
from outlast.journal import reading
from outlast.project.workspace import Workspace

ANSWER = {"model": "late", "version": 1, "prediction_id": "p", "decision": "yes", "rung": "full"}
Reply = tuple[int, dict[str, str], Any]


@pytest.fixture
def client(served: tuple[str, Workspace]) -> Iterator[Client]:
    with outlast.connect(served[0] + "/") as found:
        yield found


def test_one_row_gets_one_prediction_and_several_get_several(client: Client, served: tuple[str, Workspace]) -> None:
    one = client.predict("late", ROW, request_id="asked-once")
    assert (one.model, one.version, one.rung, one.warnings) == ("late", 1, "full", [])
    assert one.score is not None
    several = client.predict("late", (row for row in (ROW, {**ROW, "origin": "ABC"})))
    assert [each.model for each in several] == ["late", "late"]
    assert several[0].score == one.score
    assert several[1].warnings == ["'origin' is 'ABC', which training never saw"]
    kept = reading.predictions(served[1], "late").filter(pl.col("request_id") == "asked-once").collect()
    assert kept["prediction_id"].to_list() == [one.prediction_id]


def test_an_explanation_or_why_there_is_none_comes_with_an_answer(client: Client) -> None:
    assert client.predict("late", ROW).unexplained is None
    (one,) = client.predict("late", [ROW], explain="no")
    assert one.explanation is None
    assert "Line has no compiled form" in (one.unexplained or "")

    async def ask() -> str | None:
        async with client.aio as aio:
            return (await aio.predict("late", ROW, explain=True)).unexplained

    assert asyncio.run(ask()) == one.unexplained
    with pytest.raises(RequestError, match="no outcome 'nö'"):
        client.predict("late", ROW, explain="nö")


def test_values_of_other_libraries_are_sent_as_what_they_are(client: Client) -> None:
    row = {**ROW, "distance": np.float32(500.0), "scheduled_at": datetime(2013, 6, 28, 14, tzinfo=UTC)}
    assert client.predict("late", row).score == client.predict("late", ROW).score
    assert client.predict("late", {**ROW, "distance": Decimal("500.0")}).score == client.predict("late", ROW).score
    with pytest.raises(RequestError, match="A object cannot be sent"):
        client.predict("late", {**ROW, "distance": object()})


def test_labels_and_facts_are_taken(client: Client, served: tuple[str, Workspace]) -> None:
    one = client.predict("late", ROW)
    assert client.label("late", {"prediction_id": one.prediction_id, "value": True}) == 1
    assert client.label("late", [{"key": "C1", "value": True}, {"key": "C2", "value": False}]) == 2
    assert client.act("late", {"prediction_id": one.prediction_id, "action": "followed"}) == 1
    wind = {"origin": "JFK", "at": datetime(2013, 6, 1, tzinfo=UTC), "wind": 3.0}
    assert client.facts("weather", wind) == client.facts("weather", [wind]) == 1
    labels = reading.labels(served[1], "late").collect()
    assert one.prediction_id in labels["prediction_id"].to_list()
    assert one.prediction_id in reading.actions(served[1], "late").collect()["prediction_id"].to_list()


def test_the_same_works_with_asyncio(served: tuple[str, Workspace]) -> None:
    async def ask() -> list[float | None]:
        async with outlast.connect(served[0]).aio as client:
            several = await asyncio.gather(*[client.predict("late", ROW) for _ in range(20)])
            assert len(await client.predict("late", [ROW, ROW])) == 2
            assert await client.label("late", {"key": "A1", "value": True}) == 1
            assert await client.act("late", [{"key": "A1", "action": "ignored", "comment": "Too late"}]) == 1
            assert await client.facts("weather", {"origin": "LGA", "at": "2013-06-01T00:00:00Z", "wind": 1.0}) == 1
            with pytest.raises(NotFound, match="did you mean 'late'"):
                await client.predict("lat", ROW)
            return [one.score for one in several]

    scores = asyncio.run(ask())
    assert len(set(scores)) == 1


def test_errors_are_the_classes_that_the_server_had(client: Client) -> None:
    with pytest.raises(NotFound, match="No model 'lat' is served here: did you mean 'late'"):
        client.predict("lat", ROW)
    with pytest.raises(NotFound, match="There is nothing at"):
        client.predict("../labels/late", ROW)
    with pytest.raises(RequestError, match="field 'tailnum' is missing") as caught:
        client.predict("late", {"origin": "JFK"})
    assert caught.value.details == {"status": 422, "kind": "request", "row": 0, "field": "tailnum"}


def test_a_frame_is_told_how_its_rows_are_sent(client: Client) -> None:
    frame = pl.DataFrame([ROW])
    for some, hint in ((frame, r"frame\.to_dicts\(\)"), (frame.to_pandas(), r'frame\.to_dict\("records"\)')):
        with pytest.raises(RequestError, match=hint):
            client.predict("late", some)  # type: ignore[call-overload]
    assert len(client.predict("late", frame.to_dicts())) == 1


def test_a_client_that_was_closed_says_so(served: tuple[str, Workspace]) -> None:
    client = outlast.connect(served[0])
    client.close()
    with pytest.raises(RequestError, match="was closed: connect again"):
        client.predict("late", ROW)


@pytest.mark.parametrize("token", ["two\nlines", "two words", "naïve"])
def test_what_is_no_token_is_refused_at_once(token: str) -> None:
    with pytest.raises(RequestError, match="The token is not one word"):
        outlast.connect("http://localhost:8000", token)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "http://localhost:port", ""])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(RequestError, match="is no address of a server"):
        outlast.connect(url)


class Faulty(ThreadingHTTPServer):
    """Answers with one reply after another, and remembers what it was asked; None breaks the connection."""

    daemon_threads = True

    def __init__(self, replies: list[Reply | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies, self.asked = replies, []  # type: ignore[var-annotated]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Faulty

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((dict(self.headers), json.loads(body)))
        reply = self.server.replies.pop(0)
        if reply is None:
            self.close_connection = True
            return
        status, headers, said = reply
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def faulty(*replies: Reply | None) -> Iterator[Faulty]:
    with Faulty(list(replies)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def error(kind: str, message: str = "No.") -> dict[str, Any]:
    return {"error": {"kind": kind, "message": message}}


def sync(url: str, **more: Any) -> Any:
    with outlast.connect(url, "outlast_secret", **more) as client:
        return client.predict("late", ROW)


def with_asyncio(url: str, **more: Any) -> Any:
    async def ask() -> Any:
        async with outlast.connect(url, "outlast_secret", **more).aio as client:
            return await client.predict("late", ROW)

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("ask", [sync, with_asyncio])
AGAIN = {"retry-after": "0"}


@BOTH
def test_a_call_is_sent_again_under_the_same_name_until_it_is_answered(ask: Callable[..., Any]) -> None:
    with faulty(None, (503, AGAIN, error("busy")), None, (200, {}, ANSWER)) as server:
        assert ask(server.address).prediction_id == "p"
    assert len({headers["x-request-id"] for headers, _ in server.asked}) == 1
    assert [headers["authorization"] for headers, _ in server.asked] == ["Bearer outlast_secret"] * 4
    assert [body for _, body in server.asked] == [ROW] * 4


@BOTH
@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        ((503, {}, error("unavailable", "It cannot.")), Unavailable, "It cannot"),
        ((503, {"retry-after": "soon"}, error("busy", "Full.")), Unavailable, "Full"),
        ((503, {}, error("storage", "Disk full.")), StorageError, "Disk full"),
        ((504, {}, error("late", "Too late.")), Unavailable, "Too late"),
        ((401, {}, error("token", "Who?")), Refused, "Who"),
        ((403, {}, error("refused", "Not you.")), Refused, "Not you"),
        ((418, {}, error("teapot", "Tea.")), RequestError, "Tea"),
        ((502, {}, b"<html>"), Unavailable, "is no Outlast server, it said 502"),
        ((404, {}, {"detail": "?"}), Unavailable, "is no Outlast server, it said 404"),
        ((302, {"location": "/elsewhere"}, b""), Unavailable, "is no Outlast server, it said 302"),
        ((200, {}, {"model": "late"}), Unavailable, "not what one of this release says"),
    ],
)
def test_what_no_second_try_can_mend_is_said_at_once(
    ask: Callable[..., Any], reply: Reply, kind: type[Exception], said: str
) -> None:
    with faulty(reply) as server, pytest.raises(kind, match=said):
        ask(server.address)
    assert len(server.asked) == 1


@BOTH
def test_tries_end_after_as_many_as_were_allowed(ask: Callable[..., Any]) -> None:
    busy: Reply = (503, AGAIN, error("busy", "Too many wait."))
    with faulty(busy, busy, busy) as server, pytest.raises(Unavailable, match="Too many wait"):
        ask(server.address, retries=2)
    assert len(server.asked) == 3


@BOTH
def test_no_wait_goes_beyond_the_time_of_a_call(ask: Callable[..., Any]) -> None:
    with faulty((503, {"retry-after": "60"}, error("busy", "Later."))) as server, pytest.raises(Unavailable):
        ask(server.address, timeout=5)
    assert 4000 < int(server.asked[0][0]["x-request-timeout-ms"]) <= 5000


@BOTH
def test_a_server_that_is_not_there_is_named(ask: Callable[..., Any]) -> None:
    with faulty() as gone:
        address = gone.address
    with pytest.raises(Unavailable, match=f"The server at {address} gave no answer in 2 attempts"):
        ask(address, retries=1)
