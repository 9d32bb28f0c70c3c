"""A span around each request that comes over HTTP; who only looks after the server is left out."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.serving.handling import current
from outlast.serving.tracing import Tracing

UNSEEN = frozenset({"/livez", "/readyz", "/ping", "/health", "/metrics", "/v2/health/live", "/v2/health/ready"})


class Traced:
    """The application, its requests traced."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in UNSEEN:
            await self._app(scope, receive, send)
            return
        status, asked = 499, current()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        fields = self._tracing.fields
        headers = ((name.decode("latin-1"), value) for name, value in scope["headers"])
        carried = {name: value.decode("latin-1") for name, value in headers if name in fields}
        trace = self._tracing.begin(asked, scope["method"], carried)
        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope["route"].path if "route" in scope else "other"
            said = {
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
            }
            self._tracing.end(trace, asked, f"{scope['method']} {route}", said, failed=status >= 500)
