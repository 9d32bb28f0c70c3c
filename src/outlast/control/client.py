"""The other side of `/control`: operations sent to a server, with its own results, sentences and exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

import httpx
import msgspec

from outlast.control.lines import CLASSES, KIND, Fault, Line, Result, relay
from outlast.control.operations import ARTIFACT, PROTOCOL, UPLOADS, Operation
from outlast.errors import OutlastError, Refused, SettingsError, StorageError
from outlast.registry.tokens import Role
from outlast.types import digest_of

A = TypeVar("A", bound=msgspec.Struct)
R = TypeVar("R")
_TIMES = httpx.Timeout(60.0, connect=10.0)
"""The server says every ten seconds that it goes on."""
_BY_KIND = {"token": "Refused", "refused": "Refused", "not-found": "NotFound", "conflict": "Conflict"}
_BY_KIND |= {"request": "RequestError", "unavailable": "Unavailable", "release": "SettingsError"}
_line = msgspec.json.Decoder(Line)


class Server:
    """A server that does operations, by its address and a token."""

    def __init__(self, address: str, token: str | None) -> None:
        self._address, self._token = address.rstrip("/"), token

    def ask(self, operation: Operation[A, R], arguments: A, watcher: Any = None) -> R:
        """What an operation gives; its error as if it had been done here."""
        given = msgspec.to_builtins(arguments)
        if not operation.posted:
            return self._read(operation, given)
        headers = {"accept": KIND, "content-type": "application/json"}
        with self._open(
            "POST", operation.name, operation.role, content=msgspec.json.encode(given), headers=headers
        ) as answer:
            for text in answer.iter_lines():
                line = self._decoded(operation, text)
                if isinstance(line, Fault):
                    raise line.error()
                if isinstance(line, Result):
                    return self._result(operation, bytes(line.result))
                if watcher is not None:
                    relay(line, watcher)
        raise self._broken(operation.name, "it ended in the middle")

    def send(self, data: bytes) -> str:
        """Let the server keep an artifact; its digest, which is that of what was sent."""
        with self._open("POST", ARTIFACT, UPLOADS, content=data) as answer:
            found: str = msgspec.json.decode(answer.read())["digest"]
        if found != digest_of(data):
            raise StorageError(f"What was sent to {self._address} did not arrive as it was: try again")
        return found

    def _read(self, operation: Operation[A, R], given: dict[str, Any]) -> R:
        with self._open("GET", operation.name, operation.role, params=given) as answer:
            return self._result(operation, answer.read())

    @contextmanager
    def _open(self, method: str, name: str, role: Role, **sent: Any) -> Iterator[httpx.Response]:
        """An answer that is not an error, read within the block."""
        headers = {**sent.pop("headers", {}), "x-outlast-control": str(PROTOCOL)}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        url = f"{self._address}/control/{name}"
        try:
            with httpx.Client(timeout=_TIMES) as client, client.stream(method, url, headers=headers, **sent) as answer:
                if answer.status_code != 200:
                    raise self._refused(name, role, answer.status_code, answer.read())
                yield answer
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise SettingsError(
                f"The server '{self._address}' is no address ({error}): set OUTLAST_SERVER to one such as "
                "https://models.example"
            ) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise StorageError(
                f"The server at {self._address} cannot be reached ({error}): start it with `outlast serve`, or correct "
                "OUTLAST_SERVER"
            ) from None
        except httpx.TransportError as error:
            raise self._broken(name, str(error) or type(error).__name__) from None

    def _result(self, operation: Operation[A, R], data: bytes) -> R:
        try:
            return msgspec.json.decode(data, type=operation.gives)
        except msgspec.DecodeError as error:
            raise self._another_release(str(error)) from None

    def _decoded(self, operation: Operation[A, R], text: str) -> Line:
        try:
            found: Line = _line.decode(text)
        except msgspec.DecodeError as error:
            raise self._another_release(str(error)) from None
        return found

    def _refused(self, operation: str, role: Role, status: int, body: bytes) -> OutlastError:
        try:
            found = msgspec.json.decode(body)["error"]
            kind, message = str(found["kind"]), str(found["message"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return StorageError(
                f"What answers at {self._address} is no Outlast server, it said {status}: correct OUTLAST_SERVER, or "
                "see to the proxy in front"
            )
        if status == 401 and not self._token:
            return Refused(
                f"The server at {self._address} needs a token: set OUTLAST_TOKEN; an admin makes one with "
                f"`outlast token create NAME --role {role}`"
            )
        if status == 401:
            return Refused(
                f"The server at {self._address} does not take OUTLAST_TOKEN: {message[:1].lower()}{message[1:]}"
            )
        if status in (404, 405) and "name" not in found:
            return self._another_release(f"it knows no operation '{operation}'")
        name = found.get("name") or _BY_KIND.get(kind, "StorageError")
        return CLASSES.get(name, StorageError)(message, details=found.get("details") or {})

    def _another_release(self, why: str) -> SettingsError:
        return SettingsError(
            f"The server at {self._address} is not of this release ({version('outlast')}): {why}; install the same "
            "release on both sides"
        )

    def _broken(self, operation: str, why: str) -> StorageError:
        return StorageError(
            f"The connection to {self._address} broke during '{operation}' ({why}): it may have been done all the "
            "same, look with `outlast history` or `outlast versions` before you try again"
        )
