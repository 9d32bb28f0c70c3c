"""What the endpoints share, and what every request carries."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.serving.house import House
from outlast.serving.http.errors import HttpError
from outlast.serving.http.metrics import Metrics
from outlast.serving.keys import Keys

T = TypeVar("T")
REQUEST_ID = "x-request-id"


@dataclass(frozen=True)
class Parts:
    """The one set of parts behind all endpoints of a server."""

    house: House
    journal: Journal
    ingest: Ingest
    metrics: Metrics
    workers: ThreadPoolExecutor
    keys: Keys

    async def aside(self, work: Callable[[], T]) -> T:
        """Do long work in a thread, so that other requests are answered meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)


def parts_of(request: Request) -> Parts:
    """The parts behind the endpoint that got this request."""
    parts: Parts = request.app.state.parts
    return parts


def request_id(request: Request) -> str:
    """The caller's name for this request, else one of ours; the answer carries it too."""
    given = request.headers.get(REQUEST_ID)
    if given is None:
        return secrets.token_hex(8)
    if not (0 < len(given) <= 128 and given.isascii() and given.isprintable()):
        raise HttpError(400, "request", "The X-Request-Id is not 1 to 128 plain characters: send another or none")
    return given


def json_answer(body: bytes, request_id: str) -> Response:
    """An answer in JSON."""
    return Response(body, headers={REQUEST_ID: request_id}, media_type="application/json")
