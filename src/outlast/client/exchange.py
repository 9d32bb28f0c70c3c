"""One call of a server: what is sent, when it is sent again, what comes of it. It does no input or output itself.

A call is a generator: it yields requests to send and seconds to wait, and is sent answers and failures. So the same
rules hold with and without asyncio.
"""

import random
import secrets
from collections.abc import Generator
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from outlast.errors import (
    Conflict,
    NotFound,
    OutlastError,
    Refused,
    RequestError,
    StorageError,
    Unavailable,
)

Sent = httpx.Response | httpx.TransportError | None
Exchange = Generator[httpx.Request | float, Sent, bytes]
"""Yields a request to send, or seconds to wait; ends with the body of the answer."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_BY_KIND: dict[str, type[OutlastError]] = {
    "token": Refused,
    "refused": Refused,
    "not-found": NotFound,
    "conflict": Conflict,
    "storage": StorageError,
}


@dataclass(frozen=True)
class Server:
    """Where calls go, who makes them, how long one may take in all, and how often it is tried again."""

    url: str
    token: str | None
    timeout: float
    retries: int

    def call(self, verb: str, about: str, body: Any, request_id: str | None, query: str = "") -> Exchange:
        """Send a body until there is an answer; its error as the class that the server had."""
        name = request_id or secrets.token_hex(16)
        url = f"{self.url}/{verb}/{quote(about, safe='')}{query}"
        ends, data = monotonic() + self.timeout, _encode(body)
        tried = 0
        while True:
            tried += 1
            sent = yield self._request(url, data, name, max(0.001, ends - monotonic()))
            if isinstance(sent, httpx.Response) and sent.status_code == 200:
                return sent.content
            wait = _wait(sent, tried)
            if wait is None or tried > self.retries or monotonic() + wait >= ends:
                raise self._error(sent, tried)
            yield wait

    def _request(self, url: str, data: bytes, name: str, left: float) -> httpx.Request:
        headers = {
            "content-type": "application/json",
            "x-request-id": name,
            "x-request-timeout-ms": str(max(1, int(left * 1000))),
        }
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        timeout = httpx.Timeout(left).as_dict()
        return httpx.Request("POST", url, headers=headers, content=data, extensions={"timeout": timeout})

    def _error(self, sent: Sent, tried: int) -> OutlastError:
        if isinstance(sent, httpx.Response):
            return _said(sent, self.url)
        why = str(sent) or type(sent).__name__
        times = "" if tried == 1 else f" in {tried} attempts"
        said = f"The server at {self.url} gave no answer{times} ({why})"
        return Unavailable(f"{said}: start it with `outlast serve`, or correct the address")


def _wait(sent: Sent, tried: int) -> float | None:
    """Seconds until a call is worth another try; None where it is not."""
    if isinstance(sent, httpx.Response):
        given = sent.headers.get("retry-after", "")
        return float(given) if sent.status_code == 503 and given.isascii() and given.isdigit() else None
    if isinstance(sent, httpx.UnsupportedProtocol):
        return None
    longest: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tried - 1))
    return longest * random.uniform(0.5, 1)  # so that those who failed together do not come back together


def _said(answer: httpx.Response, url: str) -> OutlastError:
    try:
        error = msgspec.json.decode(answer.content)["error"]
        kind, message = str(error["kind"]), str(error["message"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return Unavailable(
            f"What answers at {url} is no Outlast server, it said {answer.status_code}: correct the address, or see to "
            "the proxy in front"
        )
    place = {name: error[name] for name in ("row", "field") if name in error}
    known = _BY_KIND.get(kind, Unavailable if answer.status_code >= 500 else RequestError)
    return known(message, details={"status": answer.status_code, "kind": kind, **place})


def _plain(value: Any) -> Any:
    """A value of another library, such as a number of NumPy, as Python has it."""
    item = getattr(value, "item", None)
    if not callable(item):
        kind = type(value).__name__
        raise RequestError(f"A {kind} cannot be sent: expected text, numbers, moments, true, false or None")
    return item()


_encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode
