"""The application: which path leads where, and what surrounds every request."""

from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.errors import OutlastError
from outlast.serving.http import errors, probes
from outlast.serving.http.callers import stranger
from outlast.serving.http.facts import facts
from outlast.serving.http.invocations import invocations
from outlast.serving.http.labels import labels
from outlast.serving.http.metrics import Metrics
from outlast.serving.http.parts import Parts
from outlast.serving.http.predict import predict

_HEADER = b"x-request-id"


def create_app(parts: Parts) -> ASGIApp:
    """The ASGI application over a server's parts."""
    app = Starlette(
        routes=[
            Route("/predict/{model}", predict, methods=["POST"]),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/labels/{model}", labels, methods=["POST"]),
            Route("/facts/{source}", facts, methods=["POST"]),
            Route("/ping", probes.ping),
            Route("/livez", probes.livez),
            Route("/readyz", probes.readyz),
            Route("/metrics", probes.prometheus),
            Route("/openapi.json", probes.openapi),
            Route("/", probes.index),
        ],
        exception_handlers={
            OutlastError: errors.of_outlast,
            HTTPException: errors.of_routing,
            ClientDisconnect: _gone,
            Exception: errors.of_accident,
        },
    )
    app.router.redirect_slashes = False
    app.state.parts = parts
    return _Counted(app, parts.metrics)


async def _gone(request: Request, error: Exception) -> Response:
    """The caller left before the body was there: nobody reads this answer."""
    return errors.answer(499, "gone", "The caller closed the connection before the body had arrived")


class _Counted:
    """Turns strangers away, counts every answer by path and status, and gives errors the request's id too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _echo(scope, message)
                path = scope["route"].path if "route" in scope else "other"
                self._metrics.requests.labels(path, str(message["status"])).inc()
                self._metrics.step("request", begin)
            await send(message)

        refusal = stranger(scope)
        answers: ASGIApp = self._app if refusal is None else errors.answer(403, "refused", refusal)
        await answers(scope, receive, counted)


def _echo(scope: Scope, message: Message) -> None:
    headers = message["headers"]
    if any(name == _HEADER for name, _ in headers):
        return
    for name, value in scope["headers"]:
        if name == _HEADER and len(value) <= 128:
            headers.append((name, value))
            return
