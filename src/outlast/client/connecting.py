"""The client that people use: `outlast.connect(url)`, and the same with asyncio as `.aio`."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar, overload
from urllib.parse import quote

import httpx
import msgspec

from outlast.client.exchange import Exchange, Sent, Server
from outlast.errors import RequestError, Unavailable
from outlast.types import Explanation

Row = Mapping[str, Any]
S = TypeVar("S", bound=msgspec.Struct)


class Prediction(msgspec.Struct, frozen=True):
    """One answer of a server."""

    prediction_id: str
    decision: str | float | None
    rung: str
    score: float | None = None
    scores: dict[str, float | None] | None = None
    reasons: list[str] = []
    warnings: list[str] = []
    unsure: bool = False
    """True where the score is where the contract says that people should look."""
    model: str = ""
    version: int = 0
    advice: bool = False
    """True where the version is live as advice only."""
    explanation: Explanation | None = None
    """What each feature added, where that was asked for."""
    unexplained: str | None = None
    """Why there is no explanation."""


class _Several(msgspec.Struct):
    model: str
    version: int
    predictions: list[Prediction]
    advice: bool = False


class _Accepted(msgspec.Struct):
    accepted: int


class Client:
    """A server, asked over HTTP; threads may share one. `with` closes its connections at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._http = httpx.Client()
        self.aio = AsyncClient(server)

    @overload
    def predict(
        self, model: str, rows: Row, *, explain: bool | str = False, request_id: str | None = None
    ) -> Prediction: ...
    @overload
    def predict(
        self, model: str, rows: Iterable[Row], *, explain: bool | str = False, request_id: str | None = None
    ) -> list[Prediction]: ...
    def predict(
        self, model: str, rows: Row | Iterable[Row], *, explain: bool | str = False, request_id: str | None = None
    ) -> Prediction | list[Prediction]:
        """The answer for a row, or those for several in their order; with what each feature added to `explain` it.

        `explain` is true, or the outcome whose score is explained.
        """
        call = self._server.call("predict", model, _body("rows", rows), request_id, _query(explain))
        return _predictions(self._run(call), rows)

    def label(self, model: str, labels: Row | Iterable[Row], *, request_id: str | None = None) -> int:
        """Tell what turned out: `prediction_id` or `key`, `value`, perhaps `known_at`; how many were taken."""
        return _accepted(self._run(self._server.call("labels", model, _body("labels", labels), request_id)))

    def act(self, model: str, actions: Row | Iterable[Row], *, request_id: str | None = None) -> int:
        """Tell what people did: `prediction_id` or `key`, `action` (followed, overridden, ignored), `comment`, `by`."""
        return _accepted(self._run(self._server.call("actions", model, _body("actions", actions), request_id)))

    def facts(self, source: str, rows: Row | Iterable[Row], *, request_id: str | None = None) -> int:
        """Tell new facts of a source; how many were taken."""
        return _accepted(self._run(self._server.call("facts", source, _body("rows", rows), request_id)))

    def close(self) -> None:
        """Close the connections; those of `aio` are closed by its own close()."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._server.url}>"

    def _run(self, exchange: Exchange) -> bytes:
        if self._http.is_closed:
            raise RequestError("This client was closed: connect again with outlast.connect")
        sent: Sent = None
        while True:
            try:
                step = exchange.send(sent)
            except StopIteration as done:
                found: bytes = done.value
                return found
            try:
                sent = None
                if isinstance(step, float):
                    time.sleep(step)
                else:
                    sent = self._http.send(step)
            except httpx.TransportError as error:
                sent = error


class AsyncClient:
    """The same for asyncio; `async with` closes its connections at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._http: httpx.AsyncClient | None = None

    @overload
    async def predict(
        self, model: str, rows: Row, *, explain: bool | str = False, request_id: str | None = None
    ) -> Prediction: ...
    @overload
    async def predict(
        self, model: str, rows: Iterable[Row], *, explain: bool | str = False, request_id: str | None = None
    ) -> list[Prediction]: ...
    async def predict(
        self, model: str, rows: Row | Iterable[Row], *, explain: bool | str = False, request_id: str | None = None
    ) -> Prediction | list[Prediction]:
        """The answer for a row, or those for several in their order; with what each feature added to `explain` it.

        `explain` is true, or the outcome whose score is explained.
        """
        call = self._server.call("predict", model, _body("rows", rows), request_id, _query(explain))
        return _predictions(await self._run(call), rows)

    async def label(self, model: str, labels: Row | Iterable[Row], *, request_id: str | None = None) -> int:
        """Tell what turned out: `prediction_id` or `key`, `value`, perhaps `known_at`; how many were taken."""
        return _accepted(await self._run(self._server.call("labels", model, _body("labels", labels), request_id)))

    async def act(self, model: str, actions: Row | Iterable[Row], *, request_id: str | None = None) -> int:
        """Tell what people did: `prediction_id` or `key`, `action` (followed, overridden, ignored), `comment`, `by`."""
        return _accepted(await self._run(self._server.call("actions", model, _body("actions", actions), request_id)))

    async def facts(self, source: str, rows: Row | Iterable[Row], *, request_id: str | None = None) -> int:
        """Tell new facts of a source; how many were taken."""
        return _accepted(await self._run(self._server.call("facts", source, _body("rows", rows), request_id)))

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, exchange: Exchange) -> bytes:
        if self._http is None:
            self._http = httpx.AsyncClient()  # made here, so that it belongs to the loop it is used in
        sent: Sent = None
        while True:
            try:
                step = exchange.send(sent)
            except StopIteration as done:
                found: bytes = done.value
                return found
            try:
                sent = None
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    sent = await self._http.send(step)
            except httpx.TransportError as error:
                sent = error


def connect(url: str, token: str | None = None, *, timeout: float = 10.0, retries: int = 3) -> Client:
    """A client of a server: `predict`, `label`, `act` and `facts`, for one or several; with `await` as `.aio`.

    A call that meets no server, a broken connection or a 503 that says when to come back is sent again, up to `retries`
    times, under the same request id and within `timeout` seconds in all. Errors are the classes of `OutlastError`.
    """
    try:
        fits = httpx.URL(url).scheme in ("http", "https") and bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        fits = False
    if not fits:
        raise RequestError(f"'{url[:80]}' is no address of a server: expected one such as http://localhost:8000")
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise RequestError("The token is not one word of plain characters: copy it again, without a line break")
    return Client(Server(url.rstrip("/"), token, timeout, retries))


def _body(name: str, rows: Row | Iterable[Row]) -> Any:
    for method, rest in (("to_dicts", "()"), ("to_dict", '("records")')):
        if not isinstance(rows, Mapping) and hasattr(rows, method):
            raise RequestError(f"A frame cannot be sent as it is: send its rows, frame.{method}{rest}")
    return rows if isinstance(rows, Mapping) else {name: list(rows)}


def _query(explain: bool | str) -> str:
    if isinstance(explain, str):
        return f"?explain_of={quote(explain, safe='')}"
    return "?explain=true" if explain else ""


def _predictions(body: bytes, rows: Row | Iterable[Row]) -> Prediction | list[Prediction]:
    if isinstance(rows, Mapping):
        return _decoded(body, Prediction)
    found = _decoded(body, _Several)
    head = {"model": found.model, "version": found.version, "advice": found.advice}
    return [msgspec.structs.replace(one, **head) for one in found.predictions]


def _accepted(body: bytes) -> int:
    return _decoded(body, _Accepted).accepted


def _decoded(body: bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        said = f"The server's answer is not what one of this release says ({error})"
        raise Unavailable(f"{said}: install the same release on both sides") from None
