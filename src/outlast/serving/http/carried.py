"""What every request carries, and where its endpoint finds the server's parts."""

from starlette.requests import Request
from starlette.responses import Response

from outlast.errors import RequestError, nearest
from outlast.serving.explaining import EXPLAINING, Wanted, wanted_of
from outlast.serving.handling import current, usable
from outlast.serving.http.errors import HttpError
from outlast.serving.parts import Parts
from outlast.types import Named

REQUEST_ID = "x-request-id"
TIMEOUT = "x-request-timeout-ms"
PARTS = "outlast.parts"
_HEADERS = "outlast.headers"
REPLAYED = "idempotent-replayed"
"""What says that an answer was given before, under the same request id."""


def parts_of(request: Request) -> Parts:
    """The parts behind the endpoint that got this request."""
    parts: Parts = request.scope[PARTS]
    return parts


def header(request: Request, name: str) -> str | None:
    """What a header says, by its name in small letters; the first counts where it comes twice.

    Starlette goes through all of them for each that is sought.
    """
    scope = request.scope
    if _HEADERS not in scope:
        scope[_HEADERS] = dict(reversed(scope["headers"]))
    value: bytes | None = scope[_HEADERS].get(name.encode())
    return None if value is None else value.decode("latin-1")


def request_id(request: Request) -> str:
    """The caller's name for this request, else one of ours; the answer carries it too."""
    given = header(request, REQUEST_ID)
    if given is None:
        return current().request_id
    if not usable(given):
        raise HttpError(400, "request", "The X-Request-Id is not 1 to 128 plain characters: send another or none")
    current().request_id = given
    return Named(given)


def patience(request: Request) -> float | None:
    """How many seconds the caller waits for the answer, where it says so."""
    given = header(request, TIMEOUT)
    if given is None:
        return None
    if not (given.isdecimal() and given.isascii() and len(given) <= 9):
        raise HttpError(400, "request", "The X-Request-Timeout-Ms is no whole number of milliseconds: send one or none")
    return int(given) / 1000


def wanted(request: Request, *others: str) -> Wanted | None:
    """What of the answers is to be explained, as the address says; mostly nothing. It may ask for `others` besides."""
    if not request.scope["query_string"]:
        return None
    given, known = request.query_params, (*EXPLAINING, *others)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise RequestError(f"'{unknown[:80]}' is no parameter of this address: {nearest(unknown, known)}")
    return wanted_of(given, _truth)


def _truth(given: str | None) -> bool | str | None:
    return given if given is None else {"true": True, "false": False}.get(given, given)


class _Json(Response):
    """An answer in JSON, its headers written down as they are sent."""

    def __init__(self, body: bytes, request_id: str, *, again: bool) -> None:
        self.status_code, self.body, self.background = 200, body, None
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode("latin-1")),
        ]
        if again:
            self.raw_headers.append((REPLAYED.encode(), b"true"))


def json_answer(body: bytes, request_id: str, *, again: bool = False) -> Response:
    """An answer in JSON; `again` where it was given before."""
    return _Json(body, request_id, again=again)
