"""Requests of a replay: several in flight, each on a connection of its own that is kept open."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import msgspec

from outlast.errors import Unavailable

_PATIENCE = 120.0
_TRIES, _AGAIN = 3, 0.2
_RENEWED = 50
"""Requests of a connection: by chance several lanes are one worker's, and would stay so."""
_REFUSED = (422, 503)
"""How a question is answered that the model does not answer."""


@dataclass(frozen=True)
class Sent:
    """A request to be sent, with a name of its own where it must not be answered twice."""

    path: str
    body: dict[str, Any]
    name: str | None = None
    """A question's, which must not be answered twice, and may be refused."""


@dataclass(frozen=True)
class Heard:
    """What a request was answered, and after how many seconds."""

    sent: Sent
    status: int
    answer: Any
    seconds: float


class Lanes:
    """So many connections to a server; requests given together are in flight together."""

    def __init__(self, address: str, lanes: int, token: str | None = None) -> None:
        self._where = urlsplit(address)
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._mine = threading.local()
        self._opened: list[HTTPConnection] = []
        self._pool = ThreadPoolExecutor(lanes, "outlast-replay")

    def send(self, requests: Sequence[Sent]) -> list[Heard]:
        """The answers to all of them; what is not taken ends the replay with the server's own sentence."""
        if len(requests) == 1:
            return [self._send(requests[0])]
        return list(self._pool.map(self._send, requests))

    def close(self) -> None:
        self._pool.shutdown()
        for one in self._opened:
            one.close()

    def _send(self, sent: Sent) -> Heard:
        begin, body = time.perf_counter(), msgspec.json.encode(sent.body)
        for left in reversed(range(_TRIES)):
            try:
                status, answer = self._asked(sent, body)
            except (HTTPException, OSError) as error:
                self._connection().close()
                if not left:
                    raise Unavailable(f"POST {sent.path} got no answer from {self._where.netloc}: {error}") from error
                continue
            if status != 503 or not left:
                break
            time.sleep(_AGAIN)
        if status != 200 and (sent.name is None or status not in _REFUSED):
            raise Unavailable(f"POST {sent.path} was answered with {status}: {_said(answer)}")
        return Heard(sent, status, answer, time.perf_counter() - begin)

    def _asked(self, sent: Sent, body: bytes) -> tuple[int, Any]:
        named = {} if sent.name is None else {"X-Request-Id": sent.name}
        connection = self._connection()
        connection.request("POST", sent.path, body, {**self._headers, **named})
        response = connection.getresponse()
        status, answer = response.status, msgspec.json.decode(response.read() or b"null")
        self._mine.sent = getattr(self._mine, "sent", 0) + 1
        if self._mine.sent % _RENEWED == 0:
            connection.close()  # the next request opens it
        return status, answer

    def _connection(self) -> HTTPConnection:
        found: HTTPConnection | None = getattr(self._mine, "connection", None)
        if found is None:
            kind = HTTPSConnection if self._where.scheme == "https" else HTTPConnection
            found = self._mine.connection = kind(self._where.hostname or "", self._where.port, timeout=_PATIENCE)
            self._opened.append(found)
        return found


def _said(answer: Any) -> Any:
    found = answer.get("error") if isinstance(answer, dict) else None
    return found.get("message") if isinstance(found, dict) else found or answer
