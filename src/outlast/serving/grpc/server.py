"""The port that speaks gRPC, beside the one that speaks HTTP: same parts, same event loop, same end."""

from typing import Any

import grpc
import grpc.aio

from outlast.errors import StorageError
from outlast.serving.answering import LARGEST
from outlast.serving.grpc.service import Service
from outlast.serving.parts import Parts
from outlast.serving.workers.ports import listening

_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.max_send_message_length", -1),
)


class GrpcServer:
    """A gRPC server on an address of this machine, between start() and stop()."""

    def __init__(self, parts: Parts, host: str, port: int, *, shared: bool = False) -> None:
        self._parts, self._host, self._port, self._shared = parts, host, port, shared
        self._options = (("grpc.so_reuseport", int(shared)), *_OPTIONS)  # else a port that is taken is refused
        self._server: Any = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"grpc://{self._host}:{self._port}"

    async def start(self) -> None:
        """Answer from now on; StorageError where the port cannot be had."""
        if self._port and not self._shared:
            with listening(self._host.strip("[]"), self._port):
                pass  # gRPC itself says what is wrong in words of its own insides
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers(tuple(Service(self._parts).handlers()))
        try:
            bound = server.add_insecure_port(f"{self._host}:{self._port}")
        except RuntimeError as error:
            said = f"Could not listen for gRPC on {self._host}:{self._port}: {error}"
            raise StorageError(f"{said}; stop what uses it, or choose another port") from error
        self._port = bound
        await server.start()
        self._server = server

    async def stop(self, grace: float) -> None:
        """Take no more calls, and let those under way finish within so many seconds."""
        if self._server is not None:
            await self._server.stop(grace)
