"""Whether a request was meant for this machine: a web page elsewhere can make its reader's browser send one.

The page's name is pointed at 127.0.0.1 after it was loaded (DNS rebinding), or the page simply posts to localhost. The
browser then says in Host or Origin which name it means; who is no browser, or a page of this machine, says none of it.
"""

import re
from functools import lru_cache

from starlette.types import Scope

_HOST, _ORIGIN = b"host", b"origin"
_HERE = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Names of this machine that nobody can point elsewhere."""


def stranger(scope: Scope) -> str | None:
    """The sentence about a request whose Host or Origin names another machine; None for all others."""
    for name, value in scope["headers"]:
        if name == _HOST:
            if not _is_here(value):
                return _sentence("Host", value, "localhost or 127.0.0.1")
        elif name == _ORIGIN and not _is_from_here(value):
            return _sentence("Origin", value, "none, or a page of localhost")
    return None


@lru_cache(maxsize=256)
def _is_here(host: bytes) -> bool:
    return _HERE.fullmatch(host) is not None


@lru_cache(maxsize=256)
def _is_from_here(origin: bytes) -> bool:
    scheme, there, host = origin.lower().partition(b"://")
    return bool(there) and scheme in (b"http", b"https") and _is_here(host)


def _sentence(header: str, value: bytes, expected: str) -> str:
    said = value[:80].decode("latin-1")
    return (
        f"The request's {header} is '{said}', and this server answers its own machine only: expected {expected}; "
        "make tokens, or let the proxy in front set Host to localhost and drop Origin"
    )
