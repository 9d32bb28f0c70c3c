"""Records of verdicts: each is named by the digest of what it says, so that one which was edited is found out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.storage.ledger import schema as tables
from outlast.types import digest_of, micros

_TABLE = tables.verdicts
_VERSIONS = tables.versions.c
_RECORD = (*_TABLE.c, _VERSIONS.digest.label("bundle"))
_ABOUT = _TABLE.outerjoin(tables.versions, (_VERSIONS.model == _TABLE.c.model) & (_VERSIONS.number == _TABLE.c.number))


@dataclass(frozen=True)
class Record:
    """A verdict as it is kept, about the bundle that its version has now."""

    digest: str
    model: str
    number: int
    at: datetime
    passed: bool
    checks: list[dict[str, Any]]
    bundle: str | None

    @property
    def whole(self) -> bool:
        """Whether it says what it said when it was written, about the same bytes."""
        said = digest(self.model, self.number, self.bundle, self.at, self.checks)
        return said == self.digest and self.passed == passed(self.checks)


def digest(model: str, number: int, bundle: str | None, at: datetime, checks: Sequence[Mapping[str, Any]]) -> str:
    """The name of a verdict: what it says about which bytes, and when."""
    about = {"model": model, "number": number, "bundle": bundle}
    return digest_of({**about, "at": micros(at), "checks": list(checks)})


def passed(checks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every check was passed; one that could not be answered was not."""
    return all(check["passed"] is True for check in checks)


def write(connection: sa.Connection, model: str, number: int, at: datetime, checks: Sequence[Mapping[str, Any]]) -> str:
    """Keep a verdict about a version's bundle in the caller's transaction; the same one is kept once."""
    about = (_VERSIONS.model == model) & (_VERSIONS.number == number)
    name = digest(model, number, connection.scalar(sa.select(_VERSIONS.digest).where(about)), at, checks)
    if read(connection, name) is None:
        row = {"digest": name, "model": model, "number": number, "at": at, "passed": passed(checks)}
        connection.execute(sa.insert(_TABLE).values(**row, checks=list(checks)))
    return name


def read(connection: sa.Connection, name: str) -> Record | None:
    """The verdict of that digest."""
    return _one(connection, sa.select(*_RECORD).select_from(_ABOUT).where(_TABLE.c.digest == name))


def newest(connection: sa.Connection, model: str, number: int) -> Record | None:
    """The newest verdict about a version."""
    about = (_TABLE.c.model == model) & (_TABLE.c.number == number)
    return _one(connection, sa.select(*_RECORD).select_from(_ABOUT).where(about).order_by(_TABLE.c.at.desc()).limit(1))


def about(connection: sa.Connection, model: str, number: int) -> list[Record]:
    """Every verdict about a version, newest first."""
    of = (_TABLE.c.model == model) & (_TABLE.c.number == number)
    query = sa.select(*_RECORD).select_from(_ABOUT).where(of).order_by(_TABLE.c.at.desc(), _TABLE.c.digest)
    return [Record(**row._mapping) for row in connection.execute(query)]


def every(connection: sa.Connection) -> list[Record]:
    """Every verdict, oldest first."""
    query = sa.select(*_RECORD).select_from(_ABOUT).order_by(_TABLE.c.at, _TABLE.c.digest)
    return [Record(**row._mapping) for row in connection.execute(query)]


def _one(connection: sa.Connection, query: sa.Select[Any]) -> Record | None:
    row = connection.execute(query).first()
    return None if row is None else Record(**row._mapping)
