"""Versions: what was trained, under numbers that the ledger gives out."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.errors import NotFound, nearest
from outlast.registry import audit
from outlast.storage.ledger import Ledger, lock
from outlast.storage.ledger import schema as tables
from outlast.types import ModelRef, Task, utc

_COLUMNS = tables.versions.c
_LACKING = {
    "live": "no live version: promote one",
    "challenger": "no challenger: nothing stands beside what is live",
    "previous": "no previous version: nothing was replaced yet",
}


@dataclass(frozen=True)
class Version:
    """A bundle with a number: the digest is its identity, the number its name."""

    model: str
    number: int
    digest: str
    code_digest: str | None
    created_at: datetime
    created_by: str
    task: Task
    summary: dict[str, Any] = field(repr=False)
    lineage: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.model}@{self.number}"


@dataclass(frozen=True)
class Transferred:
    """A version here, and what it is in another environment."""

    version: Version
    environment: str
    there: Version
    verdicts: int
    approvals: int
    already: bool


def register(  # noqa: PLR0913 (each is a part of the record, given by name)
    ledger: Ledger,
    model: str,
    *,
    digest: str,
    code_digest: str | None,
    task: Task,
    summary: dict[str, Any],
    lineage: dict[str, Any],
    by: str,
    at: datetime,
) -> Version:
    """Give a bundle the model's next number; the same bundle again keeps the number it has."""
    with ledger.write() as connection:
        hold(connection, model, at)
        known = _select(connection, (_COLUMNS.model == model) & (_COLUMNS.digest == digest))
        if known:
            return known[0]
        highest = connection.scalar(sa.select(sa.func.max(_COLUMNS.number)).where(_COLUMNS.model == model))
        row = {"model": model, "number": (highest or 0) + 1, "digest": digest, "code_digest": code_digest}
        row |= {"created_at": utc(at), "created_by": audit.plainly(by), "task": task}
        connection.execute(sa.insert(tables.versions).values(**row, summary=summary, lineage=lineage))
        (made,) = _select(connection, (_COLUMNS.model == model) & (_COLUMNS.number == row["number"]))
        detail = {"number": made.number, "digest": digest, "code_digest": code_digest, "task": task}
        detail |= {audit.EVIDENCE: audit.evidence_of(made)}
        audit.record(connection, actor=by, action="register", object=model, detail=detail, at=at)
        return made


def find(ledger: Ledger, ref: ModelRef) -> Version:
    """The version a reference names; without one the live version, else the latest."""
    with ledger.read() as connection:
        return find_in(connection, ref)


def find_in(connection: sa.Connection, ref: ModelRef) -> Version:
    """The same within a transaction."""
    numbers = list(connection.scalars(sa.select(_COLUMNS.number).where(_COLUMNS.model == ref.name)))
    if not numbers:
        raise _no_versions(connection, ref.name)
    number = _number(connection, ref, max(numbers))
    if number not in numbers:
        raise NotFound(
            f"Model '{ref.name}' has no version {ref.version}. Versions: {_ranges(numbers)}. "
            f"List them with: outlast versions {ref.name}"
        )
    return _select(connection, (_COLUMNS.model == ref.name) & (_COLUMNS.number == number))[0]


def versions(ledger: Ledger, model: str) -> list[Version]:
    """Every version of a model, oldest first; none when nothing was trained yet."""
    with ledger.read() as connection:
        return _select(connection, _COLUMNS.model == model)


def models(ledger: Ledger) -> list[str]:
    """The names of all models the ledger knows, sorted."""
    with ledger.read() as connection:
        return _names(connection)


def hold(connection: sa.Connection, model: str, at: datetime) -> None:
    """Wait for other writers of a model, and make sure that it has a row."""
    lock(connection, f"model:{model}")
    if connection.scalar(sa.select(tables.models.c.name).where(tables.models.c.name == model)) is None:
        connection.execute(sa.insert(tables.models).values(name=model, created_at=utc(at)))


def unknown(connection: sa.Connection, model: str) -> NotFound:
    """The error for a model that the ledger does not know."""
    return NotFound(f"There is no model '{model}' in the ledger: {nearest(model, _names(connection))}")


def _names(connection: sa.Connection) -> list[str]:
    return sorted(connection.scalars(sa.select(tables.models.c.name)))


def _number(connection: sa.Connection, ref: ModelRef, highest: int) -> int:
    if isinstance(ref.version, int):
        return ref.version
    if ref.version == "latest":
        return highest
    rollouts = tables.rollouts
    row = connection.execute(sa.select(rollouts).where(rollouts.c.model == ref.name)).one_or_none()
    found: int | None = None if row is None else row._mapping[ref.version or "live"]
    if found is not None:
        return found
    if ref.version is None:
        return highest
    raise NotFound(f"Model '{ref.name}' has {_LACKING[ref.version]}. Its versions: outlast versions {ref.name}")


def _no_versions(connection: sa.Connection, model: str) -> NotFound:
    if model in _names(connection):
        return NotFound(f"Model '{model}' has no version yet: train one with `outlast train` in its folder")
    return unknown(connection, model)


def _select(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Version]:
    rows = connection.execute(sa.select(tables.versions).where(where).order_by(_COLUMNS.model, _COLUMNS.number))
    return [_version(row) for row in rows]


def _version(row: Any) -> Version:
    values = dict(row._mapping)
    return Version(**{**values, "summary": values["summary"] or {}, "lineage": values["lineage"] or {}})


def _ranges(numbers: list[int]) -> str:
    """Numbers as people write them: 1-3, 5."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
