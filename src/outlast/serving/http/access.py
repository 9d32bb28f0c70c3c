"""Who may ask what: the one place where a request's token is looked at, for every path there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from outlast.registry.tokens import Role, Token
from outlast.serving.caller import UNKNOWN_TOKEN, Caller, not_for, without_role
from outlast.serving.http.callers import stranger
from outlast.serving.http.errors import answer
from outlast.serving.keys import Keys
from outlast.serving.workers.station import Station

NEEDS: dict[str, Role | None] = {
    "/predict/{model}": "predict",
    "/invocations": "predict",
    "/labels/{model}": "label",
    "/actions/{model}": "label",
    "/queue/{model}": "label",
    "/queue/{model}/{prediction_id}/claim": "label",
    "/queue/{model}/{prediction_id}/resolve": "label",
    "/facts/{source}": "label",
    "/metrics": "view",
    "/openapi.json": "view",
    "/": "view",
    "/v2": "predict",
    "/v2/health/live": None,
    "/v2/health/ready": None,
    "/v2/models/{model}": "predict",
    "/v2/models/{model}/ready": "predict",
    "/v2/models/{model}/infer": "predict",
    "/v2/models/{model}/versions/{version}": "predict",
    "/v2/models/{model}/versions/{version}/ready": "predict",
    "/v2/models/{model}/versions/{version}/infer": "predict",
    "/ping": None,
    "/health": None,
    "/version": None,
    "/livez": None,
    "/readyz": None,
}
"""The role that each path asks for; None: whoever can reach it."""

_Roles = tuple[Role, ...]
"""One of them is needed; none, where whoever can reach a path may ask."""
_CALLER = "outlast.caller"
_BEARER = b"bearer "
_CHALLENGE = {"www-authenticate": 'Bearer realm="outlast"'}


@dataclass(frozen=True)
class Extra:
    """Paths that whoever starts a server adds to it, the roles of which each asks for one, and another port."""

    routes: Sequence[BaseRoute] = ()
    needs: Mapping[str, tuple[Role, ...]] = field(default_factory=dict)
    described: Mapping[str, Any] = field(default_factory=dict)
    """The paths as OpenAPI has them, and below the schemas that they refer to."""
    schemas: Mapping[str, Any] = field(default_factory=dict)
    grpc_port: int | None = None
    station: Station | None = None
    """Where the process stands, if it is one of several that answer at this address."""
    leave: float | None = None
    """Seconds to go on answering after SIGTERM, not ready any more, so that a load balancer looks away first."""


_SOMEBODY = Caller()
_UNKNOWN = Caller(known=False)


def caller_of(request: Request) -> Caller:
    """Who sent a request that was let in."""
    caller: Caller = request.scope[_CALLER]
    return caller


class Access:
    """Lets requests in: by their token where the workspace has tokens, by their Host where it has none."""

    def __init__(self, keys: Keys, extra: Extra) -> None:
        self._keys = keys
        self._exact: dict[str, _Roles] = {path: _roles(role) for path, role in NEEDS.items() if "{" not in path}
        self._exact |= extra.needs
        self._with_name = {
            path.split("{")[0]: (_roles(role), "{model}" in path) for path, role in NEEDS.items() if "{" in path
        }

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is not let in; None, and the caller noted, for all others."""
        path: str = scope["path"]
        if not self._keys.needed:
            scope[_CALLER] = _SOMEBODY
            said = stranger(scope)
            return None if said is None else answer(403, "refused", said, path=path)
        roles, model, is_open = self._needed(path)
        given = _authorization(scope)
        if is_open and given is None:
            scope[_CALLER] = _UNKNOWN
            return None
        if given is None:
            return _unproven(path, f"'{path[:200]}' needs a token: send it as Authorization: Bearer outlast_…")
        token = self._keys.holder(given)
        if token is None:
            return _unproven(path, UNKNOWN_TOKEN)
        scope[_CALLER] = Caller(token)
        return self._forbidden(token, roles, model, path[:200])

    def _forbidden(self, token: Token, roles: _Roles, model: str | None, path: str) -> Response | None:
        said = without_role(token, roles, f"'{path}'")
        if said is not None:
            return answer(403, "refused", said, path=path)
        if model is not None and not token.covers(model):
            return answer(403, "refused", not_for(token, f"'{path}'"), path=path)
        return None

    def _needed(self, path: str) -> tuple[_Roles, str | None, bool]:
        """The roles a path asks for, the model it names, and whether anybody may ask; of no path: any token."""
        if path in self._exact:
            roles = self._exact[path]
            return roles, None, not roles
        for begins, (roles, names_model) in self._with_name.items():
            if path.startswith(begins):
                return roles, path[len(begins) :].partition("/")[0] if names_model else None, False
        return (), None, False


def _roles(role: Role | None) -> _Roles:
    return () if role is None else (role,)


def _authorization(scope: Scope) -> bytes | None:
    """What follows Bearer; the first such header counts."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            found: bytes = value[7:].strip() if value[:7].lower() == _BEARER else b""
            return found
    return None


def _unproven(path: str, said: str) -> Response:
    return answer(401, "token", said, path=path, headers=_CHALLENGE)
