"""The application: which path leads where, and what surrounds every request."""

from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.errors import OutlastError
from outlast.serving.handling import Handled, handle, usable
from outlast.serving.http import errors, oip, probes
from outlast.serving.http.access import Access, Extra
from outlast.serving.http.actions import actions
from outlast.serving.http.carried import PARTS
from outlast.serving.http.facts import facts
from outlast.serving.http.invocations import invocations
from outlast.serving.http.labels import labels
from outlast.serving.http.predict import predict
from outlast.serving.http.queue import claiming, listing, resolving
from outlast.serving.http.traced import Traced
from outlast.serving.parts import Parts

_HEADER = b"x-request-id"
_NONE = Extra()


def create_app(parts: Parts, extra: Extra = _NONE) -> ASGIApp:
    """The ASGI application over a server's parts, and what else it answers."""
    app = Starlette(
        routes=[*_routes(), *extra.routes],
        exception_handlers={
            OutlastError: errors.of_outlast,
            HTTPException: errors.of_routing,
            ClientDisconnect: _gone,
            Exception: errors.of_accident,
        },
    )
    app.router.redirect_slashes = False
    app.state.extra = extra
    straight: ASGIApp = ServerErrorMiddleware(_Straight(app), handler=errors.of_accident)
    if parts.tracing is not None:
        straight = Traced(straight, parts.tracing)
    return _Counted(straight, parts, Access(parts.keys, extra))


def paths() -> list[str]:
    """Every path that a server answers."""
    return [route.path for route in _routes()]


def _routes() -> list[Route]:
    return [
        Route("/predict/{model}", predict, methods=["POST"]),
        Route("/invocations", invocations, methods=["POST"]),
        Route("/labels/{model}", labels, methods=["POST"]),
        Route("/actions/{model}", actions, methods=["POST"]),
        Route("/queue/{model}", listing),
        Route("/queue/{model}/{prediction_id}/claim", claiming, methods=["POST"]),
        Route("/queue/{model}/{prediction_id}/resolve", resolving, methods=["POST"]),
        Route("/facts/{source}", facts, methods=["POST"]),
        *_inference(),
        Route("/ping", probes.ping),
        Route("/health", probes.ping),
        Route("/version", probes.version_of_mlflow),
        Route("/livez", probes.livez),
        Route("/readyz", probes.readyz),
        Route("/metrics", probes.prometheus),
        Route("/openapi.json", probes.openapi),
        Route("/", probes.index),
    ]


def _inference() -> list[Route]:
    """The Open Inference Protocol: of a model, and of one version of it."""
    found = [Route("/v2", oip.server), Route("/v2/health/live", oip.live), Route("/v2/health/ready", oip.ready)]
    for named in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        found += [
            Route(named, oip.model),
            Route(f"{named}/ready", oip.model_ready),
            Route(f"{named}/infer", oip.inference, methods=["POST"]),
        ]
    return found


async def _gone(request: Request, error: Exception) -> Response:
    """The caller left before the body was there: nobody reads this answer."""
    said = "The caller closed the connection before the body had arrived"
    return errors.answer(499, "gone", said, path=request.url.path)


class _Straight:
    """Leads the most frequent request to its endpoint without a search among routes; all others go the usual way."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._route = next(route for route in app.routes if isinstance(route, Route) and route.endpoint is predict)
        self._begin = self._route.path.partition("{")[0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        name = path.removeprefix(self._begin)
        if name == path or not name or "/" in name or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope.update(app=self._app, route=self._route, path_params={"model": name})
        request = Request(scope, receive, send)
        try:
            response = await predict(request)
        except OutlastError as error:
            response = await errors.of_outlast(request, error)
        except ClientDisconnect as error:
            response = await _gone(request, error)
        await response(scope, receive, send)


class _Counted:
    """Turns strangers away, counts every answer by path and status, and gives errors the request's id too."""

    def __init__(self, app: ASGIApp, parts: Parts, access: Access) -> None:
        self._app, self._parts, self._access = app, parts, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, asked = perf_counter(), Handled(lambda: _given(scope))
        handle(asked)
        scope[PARTS] = self._parts

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _echo(asked, message)
                path = scope["route"].path if "route" in scope else "other"
                self._parts.metrics.request(path, message["status"], begin)
            await send(message)

        refusal = self._access.refusal(scope)
        await (refusal or self._app)(scope, receive, counted)


def _echo(asked: Handled, message: Message) -> None:
    """The caller's name for the request, or ours where the log knows it by that."""
    headers = message["headers"]
    if any(name == _HEADER for name, _ in headers):
        return
    name = asked.known_id or asked.named()
    if name is not None:
        headers.append((_HEADER, name.encode()))


def _given(scope: Scope) -> str | None:
    """The caller's name for a request, if it has one that can be used."""
    for name, value in scope["headers"]:
        if name == _HEADER:
            said: str = value.decode("latin-1")
            return said if usable(said) else None
    return None
