"""Tokens: who may do what. A secret is shown once, when it is made; the ledger keeps its digest."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa

from outlast.errors import NotFound, RequestError, nearest
from outlast.registry import audit
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import tokens as table
from outlast.types import Verified, utc

Role = Literal["predict", "label", "view", "train", "approve", "operate", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

MAY: dict[Role, frozenset[Role]] = {
    "predict": frozenset({"predict"}),
    "label": frozenset({"label"}),
    "view": frozenset({"view"}),
    "train": frozenset({"train", "view"}),
    "approve": frozenset({"approve", "view"}),
    "operate": frozenset({"operate", "view"}),
    "admin": frozenset(ROLES),
}
"""What the bearer of a role may do: nobody changes what he cannot see, and only an admin may do everything."""

_COVERING = {role: frozenset(one for one in ROLES if role in MAY[one]) for role in ROLES}
_SECRET = re.compile(r"outlast_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
ID_AT = slice(8, 16)
"""Where the id stands in a secret."""
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True)
class Token:
    """Whose it is, what its bearer may do, with which models (None: all), and until when."""

    id: str
    name: str
    roles: tuple[Role, ...]
    models: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def may(self, role: Role) -> bool:
        """Whether one of its roles covers this one."""
        return not _COVERING[role].isdisjoint(self.roles)

    def covers(self, model: str | None) -> bool:
        """Whether it reaches a model; None stands for what belongs to all of them."""
        return self.models is None or (model is not None and model in self.models)

    def state(self, at: datetime) -> Literal["live", "expired", "revoked"]:
        """Whether it is taken at a moment."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "live"

    @property
    def bearer(self) -> Verified:
        """The name that this token proves."""
        return Verified(self.name, self.id)


@dataclass(frozen=True)
class Key:
    """A token, and the digest of its secret."""

    token: Token
    digest: str

    def opens(self, secret: bytes) -> bool:
        """Whether a secret is this token's, found out in a time that says nothing about either."""
        return hmac.compare_digest(_digest(secret), self.digest)


@dataclass(frozen=True)
class Wanted:
    """What a token shall be."""

    name: str
    roles: tuple[Role, ...]
    models: tuple[str, ...] | None = None
    expires_at: datetime | None = None

    @classmethod
    def of(
        cls,
        name: str,
        roles: Iterable[str],
        models: Collection[str] | None = None,
        *,
        expires_at: datetime | None = None,
        at: datetime,
    ) -> "Wanted":
        """What was asked for; RequestError says what of it cannot be."""
        if not _NAME.fullmatch(name) or not name.strip():
            raise RequestError("A token needs a name of 1 to 100 printable characters: say whose it is, such as 'shop'")
        wanted = set(roles)
        for role in sorted(wanted - set(ROLES)):
            raise RequestError(f"Token '{name}' cannot have the role '{role[:40]}': {nearest(role, ROLES)}")
        if not wanted:
            raise RequestError(f"Token '{name}' has no role: give --role once or more; known: {', '.join(ROLES)}")
        for model in models or ():
            if not model.strip() or "@" in model:
                raise RequestError(f"Token '{name}' cannot be for '{model[:80]}': give the name of a model, no version")
        if expires_at is not None and utc(expires_at) <= utc(at):
            raise RequestError(f"Token '{name}' would have expired before it is made: give a longer time, such as 90d")
        only = tuple(sorted(set(models))) if models else None
        return cls(name, tuple(role for role in ROLES if role in wanted), only, expires_at)


def create(ledger: Ledger, wanted: Wanted, *, by: str, at: datetime) -> tuple[Token, str]:
    """Make a token; returns it and its secret, which nobody can be told again."""
    id = secrets.token_hex(4)
    secret = f"outlast_{id}_{secrets.token_urlsafe(32)}"
    row = {"id": id, "name": wanted.name, "roles": list(wanted.roles), "created_at": utc(at)}
    row |= {"models": None if wanted.models is None else list(wanted.models), "created_by": audit.plainly(by)}
    expires = None if wanted.expires_at is None else utc(wanted.expires_at)
    with ledger.write() as connection:
        opens = _digest(secret.encode())
        connection.execute(sa.insert(table).values(**row, digest=opens, expires_at=expires))
        # What opens it too: a row that another secret opens would else agree with the trail.
        detail = {"name": wanted.name, "roles": row["roles"], "models": row["models"], "digest": opens}
        detail["expires_at"] = None if expires is None else expires.isoformat()
        audit.record(connection, actor=by, action="create token", object=f"token {id}", detail=detail, at=at)
        return _one(connection, id).token, secret


def revoke(ledger: Ledger, id: str, *, by: str, at: datetime) -> Token:
    """Take a token no longer, from the next look of every server on; again changes nothing."""
    given = id_in(id) or id
    with ledger.write() as connection:
        found = _one(connection, given).token
        if found.revoked_at is not None:
            return found
        values = {"revoked_at": utc(at), "revoked_by": audit.plainly(by)}
        connection.execute(sa.update(table).where(table.c.id == found.id).values(values))
        detail = {"name": found.name, "roles": list(found.roles)}
        audit.record(connection, actor=by, action="revoke token", object=f"token {found.id}", detail=detail, at=at)
        return _one(connection, found.id).token


def keys(ledger: Ledger) -> list[Key]:
    """Every token there ever was, the newest first."""
    with ledger.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.created_at.desc(), table.c.id))
        return [_key(row) for row in rows]


def tokens(ledger: Ledger) -> list[Token]:
    """The same without their digests."""
    return [key.token for key in keys(ledger)]


def id_in(secret: str) -> str | None:
    """The id in a secret; None for what cannot be one."""
    found = _SECRET.fullmatch(secret)
    return None if found is None else found[1]


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _one(connection: sa.Connection, id: str) -> Key:
    row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
    if row is None:
        # What was typed is not said again: it may be a secret with a letter missing.
        raise NotFound("There is no token with that id: `outlast token list` shows the ids of all")
    return _key(row)


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    kept = dict(row._mapping)
    digest = kept.pop("digest")
    models = None if kept["models"] is None else tuple(kept["models"])
    return Key(Token(**{**kept, "roles": tuple(kept["roles"]), "models": models}), digest)
