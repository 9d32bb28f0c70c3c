"""How answers leave: head and body in one call of the system, and mostly one packet.

uvicorn hands them to its transport one by one, and uvloop sends each at once: two calls that cost a tenth of an answer,
and a caller that wakes twice.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_INTERIM, _END, _OPEN = b"HTTP/1.1 1", b"\r\n\r\n", b"chunked\r\n\r\n"


class Joining(HttpToolsProtocol):
    """uvicorn's protocol over a transport that keeps a head until its body comes."""

    _joined: "_Joined"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        self._joined = _Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        """End an answer: what is still kept had no body."""
        self._joined.flush()
        super().on_response_complete()


class _Joined:
    """A transport, as far as a protocol sees one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._send = transport.write
        self._head = b""
        self.is_closing = transport.is_closing
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send, or keep the head of an answer whose whole body is about to be written."""
        if self._head:
            head, self._head = self._head, b""
            self._send(head + data)
        elif data.endswith(_END) and not data.startswith(_INTERIM) and not data.endswith(_OPEN):
            self._head = data
        else:
            self._send(data)

    def flush(self) -> None:
        """Send what is kept."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what is kept, then end the connection."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
