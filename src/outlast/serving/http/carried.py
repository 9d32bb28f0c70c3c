"""What every request carries, and where its endpoint finds the server's parts."""

from starlette.requests import Request
from starlette.responses import Response

from outlast.bundle.drawn import drawn
from outlast.serving.http.errors import HttpError
from outlast.serving.parts import Parts

REQUEST_ID = "x-request-id"
TIMEOUT = "x-request-timeout-ms"


def parts_of(request: Request) -> Parts:
    """The parts behind the endpoint that got this request."""
    parts: Parts = request.app.state.parts
    return parts


def request_id(request: Request) -> str:
    """The caller's name for this request, else one of ours; the answer carries it too."""
    given = request.headers.get(REQUEST_ID)
    if given is None:
        return drawn()
    if not (0 < len(given) <= 128 and given.isascii() and given.isprintable()):
        raise HttpError(400, "request", "The X-Request-Id is not 1 to 128 plain characters: send another or none")
    return given


def patience(request: Request) -> float | None:
    """How many seconds the caller waits for the answer, where it says so."""
    given = request.headers.get(TIMEOUT)
    if given is None:
        return None
    if not (given.isdecimal() and given.isascii() and len(given) <= 9):
        raise HttpError(400, "request", "The X-Request-Timeout-Ms is no whole number of milliseconds: send one or none")
    return int(given) / 1000


def json_answer(body: bytes, request_id: str) -> Response:
    """An answer in JSON."""
    return Response(body, headers={REQUEST_ID: request_id}, media_type="application/json")
