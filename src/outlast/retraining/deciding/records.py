"""What the loop decided and why: each row a step, nothing is ever changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, utc

What = Literal[
    "asked", "not", "started", "failed", "refused", "passed", "waits", "shadow", "canary", "live", "given up",
    "rolled back",
]  # fmt: skip
RUNS: tuple[What, ...] = ("started",)
"""What spends the budget."""
_TABLE = tables.decisions
_T = _TABLE.c


@dataclass(frozen=True)
class Decision:
    """One step: what, what had asked for it, which version it is about, why, and the numbers."""

    id: int
    model: str
    at: datetime
    what: What
    trigger: str | None
    version: int | None
    sentence: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A step to be recorded. Of equal `reason` one is kept a day, where one is given."""

    what: What
    sentence: str
    trigger: str | None = None
    version: int | None = None
    reason: str | None = None
    numbers: Mapping[str, Any] | None = None


def note(connection: sa.Connection, model: str, step: Step, at: datetime) -> bool:
    """Record a step within the caller's transaction; False where it has been said today."""
    if step.reason is not None and _said(connection, model, step, utc(at)):
        return False
    detail = {"format": FORMAT, "reason": step.reason, **(step.numbers or {})}
    row = {"model": model, "at": utc(at), "what": step.what, "trigger": step.trigger, "version": step.version}
    connection.execute(sa.insert(_TABLE).values(**row, sentence=step.sentence, detail=detail))
    return True


def decisions(ledger: Ledger, model: str | None = None, *, since: datetime | None = None) -> list[Decision]:
    """What was decided, oldest first."""
    with ledger.read() as connection:
        return decisions_in(connection, model, since=since)


def decisions_in(connection: sa.Connection, model: str | None, *, since: datetime | None = None) -> list[Decision]:
    """The same within a transaction."""
    query = sa.select(_TABLE).order_by(_T.id)
    query = query if model is None else query.where(_T.model == model)
    query = query if since is None else query.where(_T.at >= utc(since))
    return [Decision(**row._mapping) for row in connection.execute(query)]


def _said(connection: sa.Connection, model: str, step: Step, at: datetime) -> bool:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    today = sa.select(_T.detail, _T.version).where(
        (_T.model == model) & (_T.what == step.what) & (_T.at >= day) & (_T.at <= at)
    )
    same = ((row.detail or {}).get("reason") == step.reason for row in connection.execute(today)
            if row.version == step.version)  # fmt: skip
    return any(same)
