"""How answers leave a server: whole, in one piece, and nothing of them kept back."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Any

import pytest
import uvicorn

from outlast.serving.http.sending import Joining
from outlast.serving.workers.ports import listening

Send = Callable[[dict[str, Any]], Awaitable[None]]


def head(*extra: tuple[bytes, bytes], length: int | None = 2) -> dict[str, Any]:
    sized = [] if length is None else [(b"content-length", b"%d" % length)]
    return {"type": "http.response.start", "status": 200, "headers": [*sized, *extra]}


async def whole(scope: Any, receive: Any, send: Send) -> None:
    await send(head())
    await send({"type": "http.response.body", "body": b"ok"})


async def asked(scope: Any, receive: Any, send: Send) -> None:
    await receive()
    await whole(scope, receive, send)


async def broken(scope: Any, receive: Any, send: Send) -> None:
    await send(head())
    raise RuntimeError("between head and body")


@contextmanager
def serving(app: Any) -> Iterator[tuple[str, int]]:
    started = Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            started.set()

    with listening("127.0.0.1", 0) as socket_:
        server = Server(uvicorn.Config(app, http=Joining, lifespan="off", log_config=None))
        thread = Thread(target=server.run, args=([socket_],))
        thread.start()
        try:
            assert started.wait(20)
            yield socket_.getsockname()
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def asking(address: tuple[str, int], *requests: str) -> Iterator[Callable[[bytes], bytes]]:
    """Send, then give what reads until the answer ends with something."""
    with closing(socket.create_connection(address, timeout=20)) as caller:
        caller.sendall("".join(f"{one}\r\nhost: here\r\n\r\n" for one in requests).encode())

        def until(end: bytes) -> bytes:
            found = b""
            while not found.endswith(end) or not found:
                part = caller.recv(65_536)
                found += part
                if not part:
                    break
            return found

        yield until


def test_an_answer_is_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []
    made = Joining.connection_made

    class Seen:
        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def write(self, data: bytes) -> None:
            pieces.append(data)
            self._transport.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transport, name)

    monkeypatch.setattr(Joining, "connection_made", lambda self, transport: made(self, Seen(transport)))
    with serving(whole) as address, asking(address, "GET / HTTP/1.1", "GET /again HTTP/1.1") as until:
        until(b"ok")
    assert len(pieces) == 2
    assert all(piece.startswith(b"HTTP/1.1 200 OK\r\n") and piece.endswith(b"\r\n\r\nok") for piece in pieces)


def test_a_head_alone_is_not_kept_back() -> None:
    with serving(whole) as address, asking(address, "HEAD / HTTP/1.1") as until:
        assert until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_caller_that_asks_before_it_sends_is_told_to_go_on() -> None:
    said = "POST / HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue"
    with serving(asked) as address, asking(address, said) as until:
        assert until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_the_head_of_a_stream_goes_before_its_first_part() -> None:
    told = Event()

    async def stream(scope: Any, receive: Any, send: Send) -> None:
        await send(head(length=None))
        assert await asyncio.to_thread(told.wait, 20)
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    with serving(stream) as address, asking(address, "GET / HTTP/1.1") as until:
        assert until(b"\r\n\r\n").endswith(b"transfer-encoding: chunked\r\n\r\n")
        told.set()
        assert until(b"0\r\n\r\n") == b"4\r\npart\r\n0\r\n\r\n"


def test_an_answer_that_breaks_off_ends_its_connection() -> None:
    with serving(broken) as address, asking(address, "GET / HTTP/1.1") as until:
        assert until(b"nothing").endswith(b"content-length: 2\r\n\r\n")  # and then the end, not silence


def test_a_caller_that_wants_to_close_gets_its_whole_answer() -> None:
    with serving(whole) as address, asking(address, "GET / HTTP/1.1\r\nconnection: close") as until:
        assert until(b"nothing").endswith(b"\r\n\r\nok")
