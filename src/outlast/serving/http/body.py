"""Reading a request's body: bounded, of a known kind, and JSON without doubt."""

import asyncio
import json
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from outlast.serving.answering import LARGEST
from outlast.serving.http.carried import header, parts_of
from outlast.serving.http.errors import HttpError

_DRAIN = 4 * LARGEST
_PATIENCE = 30.0
_USUAL = "application/json"
_decode = msgspec.json.Decoder().decode


async def json_of(request: Request) -> Any:
    """The body as JSON; HttpError when it is anything else."""
    kind = content_type(request)
    if kind not in (_USUAL, "") and not kind.endswith("+json"):
        raise HttpError(
            415, "content-type", f"The body is '{kind[:80]}': send JSON with Content-Type: application/json"
        )
    body = await read(request)
    begin = perf_counter()
    found = parse(body)
    parts_of(request).metrics.step("decode", begin)
    return found


def content_type(request: Request) -> str:
    """The body's media type without parameters; another character set than UTF-8 is refused."""
    given = header(request, "content-type") or ""
    if given == _USUAL:
        return given
    kind, _, parameters = given.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise HttpError(415, "content-type", f"The body's character set is '{value[:40]}': send UTF-8")
    return kind.strip().lower()


async def read(request: Request) -> bytes:
    """The whole body, of at most LARGEST bytes."""
    announced = header(request, "content-length") or ""
    if announced.isdigit() and int(announced) > LARGEST and header(request, "expect") is not None:
        raise _too_large(close=True)  # this client asks before it sends
    message = await request.receive()
    body = _part(message)
    if message.get("more_body", False):
        try:
            async with asyncio.timeout(_PATIENCE):
                body = await _rest(request, body)
        except TimeoutError:
            sentence = f"The body did not arrive within {_PATIENCE:.0f} seconds: send it again"
            raise HttpError(408, "timeout", sentence, close=True) from None
    if len(body) > LARGEST:
        raise _too_large()
    return body


async def _rest(request: Request, first: bytes) -> bytes:
    """What follows; a body that is too long is read on for a while, so that its sender gets to see the answer."""
    parts, size, more = [first], len(first), True
    while more:
        message = await request.receive()
        part = _part(message)
        more = message.get("more_body", False)
        size += len(part)
        if size <= LARGEST:
            parts.append(part)
        elif size > _DRAIN:
            raise _too_large(close=True)
    if size > LARGEST:
        raise _too_large()
    return b"".join(parts)


def _part(message: Any) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part


def _too_large(*, close: bool = False) -> HttpError:
    limit = f"{LARGEST // 1024 // 1024} MB"
    return HttpError(413, "too-large", f"The body is larger than {limit}: send fewer rows per request", close=close)


def parse(body: bytes) -> Any:
    """JSON as RFC 8259 has it, each field once.

    >>> parse(b'{"rows": [{"a": 1}]}')
    {'rows': [{'a': 1}]}
    """
    if not body:
        raise _malformed("The body is empty: send a JSON object")
    try:
        value = _decode(body)
    except RecursionError:
        raise _malformed("The body is nested too deeply: send flat rows") from None
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8 (byte {error.start} of a text): send UTF-8") from None
    except msgspec.DecodeError as error:
        raise _malformed(_why(body, str(error))) from None
    colons = body.count(b":")
    if type(value) is dict and (colons == len(value) or colons == _fields(value)):
        return value  # each field has a colon of its own: none came twice
    if _colons(value) != colons or b"\\u003" in body:
        _refuse_duplicates(body)
    return value


def _why(body: bytes, said: str) -> str:
    reason = said.removeprefix("JSON is malformed: ").split(" - at ")[0]
    byte = reason.rpartition("(byte ")[2].rstrip(")")
    if byte.isdigit():
        word = body[max(0, int(byte) - 1) : int(byte) + 9].lstrip(b"-:, [")
        if word.startswith((b"NaN", b"Inf", b"nan", b"inf")):
            return f"The body has a number that JSON does not know (byte {byte}): send null where there is no value"
    return f"The body is not JSON: {reason[:1].lower()}{reason[1:]}"


def _fields(value: dict[str, Any]) -> int:
    """How many fields there are at least: an object's own, and those of the rows in its lists."""
    return len(value) + sum(
        [len(one) for some in value.values() if type(some) is list for one in some if type(one) is dict]
    )


def _colons(value: Any) -> int:
    """How many colons a text of this value has when no field comes twice: one per field, and those inside texts.

    A count that differs from the body's own costs a second, exact look. It takes a fifth of the time of the first.
    """
    if type(value) is dict:
        inside = [_colons(one) for one in value.values() if one.__class__ in _DEEP]
        return len(value) + sum([str(name).count(":") for name in value]) + sum(inside)
    if type(value) is list:
        return sum([_colons(one) for one in value if one.__class__ in _DEEP])
    return str(value).count(":") if type(value) is str else 0


_DEEP = (dict, list, str)


def _refuse_duplicates(body: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise _malformed(f"The body has the field '{name[:80]}' twice in one object: send each field once")
            names.add(name)

    try:
        json.loads(body, object_pairs_hook=once, parse_int=str, parse_float=str)
    except RecursionError:
        raise _malformed("The body is nested too deeply: send flat rows") from None


def _malformed(sentence: str) -> HttpError:
    return HttpError(400, "json", sentence)
