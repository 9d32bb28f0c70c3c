"""A span around each call that comes over gRPC; who only looks after the server is left out."""

from collections.abc import Callable
from typing import Any

import grpc

from outlast.serving.handling import Handled
from outlast.serving.tracing import Tracing

_FAILED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED)
_UNSEEN = ("ServerLive", "ServerReady", "Check")


def begun(tracing: Tracing | None, asked: Handled, path: str, context: Any) -> Callable[[grpc.StatusCode], None] | None:
    """Open a call's span, where calls are traced; gives what closes it with the call's status."""
    if tracing is None or path.endswith(_UNSEEN):
        return None
    carried = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
    name = path.removeprefix("/")
    trace = tracing.begin(asked, name, carried)

    def end(code: grpc.StatusCode) -> None:
        said = {"rpc.system": "grpc", "rpc.method": name, "rpc.grpc.status_code": code.value[0]}
        tracing.end(trace, asked, name, said, failed=code in _FAILED)

    return end
