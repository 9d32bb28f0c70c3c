"""Who asks, whatever protocol the question came by, and what is said to whoever may not."""

from collections.abc import Sequence
from dataclasses import dataclass

from outlast.errors import Refused
from outlast.registry.tokens import Role, Token

UNKNOWN_TOKEN = "The token is not known here, has expired or was revoked: ask an admin for another"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the bearer of a token, or somebody of this machine where none is needed."""

    token: Token | None = None
    known: bool = True
    """False for whoever asked without a token where others need one."""

    @property
    def origin(self) -> str:
        """The caller as records keep it."""
        return "http" if self.token is None else f"http, {self.token.name}, token {self.token.id}"

    def sees(self, model: str) -> bool:
        """Whether a model is among those that the caller may know of."""
        return self.known and (self.token is None or self.token.covers(model))

    def require(self, model: str | None, what: str) -> None:
        """Refused, unless the caller's token reaches the model; None stands for what belongs to all."""
        if self.token is not None and not self.token.covers(model):
            raise Refused(not_for(self.token, what))


def without_role(token: Token, roles: Sequence[Role], what: str) -> str | None:
    """The sentence to a token that has none of the roles; None where it has one, or none is needed."""
    if not roles or any(token.may(role) for role in roles):
        return None
    has, needs = ", ".join(token.roles), " or ".join(roles)
    return f"Token {token.id} ({token.name}) has {has}, and {what} needs {needs}: ask an admin for a token"


def not_for(token: Token, what: str) -> str:
    """The sentence to a token that is for other models."""
    models = ", ".join(token.models or ())
    return (
        f"Token {token.id} ({token.name}) is for {models} only, and {what} is not part of that: ask for another token"
    )
