"""Alerts: one for each kind of finding in a window, written with the finding, and delivered later.

An alert is a row of the ledger before anybody is told, so none is lost. Its id says what it is about, so none is
raised twice. A drift that lasts is not said again every day: see `STANDS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.judge import LARGEST, Finding, Scale, Severity
from outlast.project.contract import Contract
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, digest_of, utc

STANDS: Mapping[Severity, timedelta] = {"page": timedelta(days=3), "ticket": timedelta(days=7)}
"""How long an alert stands: the same kind about the same columns within this time is not raised again."""

NAMED = 5
_T = tables.alerts.c


@dataclass(frozen=True)
class Scope:
    """What an alert is about: a window, or a day, of one version."""

    model: str
    version: int
    scale: Scale
    starts_at: datetime
    ends_at: datetime

    def __str__(self) -> str:
        form = "%Y-%m-%d" if self.scale == "day" else "%Y-%m-%d %H:%M"
        return f"{self.model}@{self.version}, {self.scale} of {self.starts_at.strftime(form)} UTC"


@dataclass(frozen=True)
class Alert:
    """A row of the ledger: who is to be told what, by which route, and whether that has happened."""

    id: str
    model: str
    kind: str
    at: datetime
    sentence: str
    detail: Mapping[str, Any]
    delivered_at: datetime | None
    attempts: int

    @property
    def severity(self) -> Severity:
        found: Severity = self.detail["severity"]
        return found

    @property
    def route(self) -> str:
        return str(self.detail["route"])


def raise_alerts(
    connection: sa.Connection, scope: Scope, findings: Sequence[Finding], contract: Contract, now: datetime
) -> int:
    """Write one alert per kind of finding and route, within the caller's transaction; returns how many kinds are new.

    Without a route the alert is kept and shown by `outlast monitor`, and nobody is told.
    """
    raised = 0
    for kind in sorted({finding.kind for finding in findings}):
        same = sorted((finding for finding in findings if finding.kind == kind), key=_worst_first)
        if not _stands(connection, scope, same):
            raised += _insert(connection, scope, same, contract, now)
    return raised


def alerts(ledger: Ledger, model: str | None = None, *, waiting: bool = False) -> list[Alert]:
    """Alerts, oldest first; `waiting` leaves only those that are not delivered."""
    query = sa.select(tables.alerts).order_by(_T.at, _T.id)
    query = query if model is None else query.where(_T.model == model)
    query = query.where(_T.delivered_at.is_(None)) if waiting else query
    with ledger.read() as connection:
        return [Alert(**row._mapping) for row in connection.execute(query)]


def _stands(connection: sa.Connection, scope: Scope, findings: Sequence[Finding]) -> bool:
    """Whether an alert near this window has said all of this already."""
    columns, severity = {f.column for f in findings}, findings[0].severity
    query = sa.select(_T.detail).where((_T.model == scope.model) & (_T.kind == findings[0].kind))
    for (detail,) in connection.execute(query):
        near = abs(datetime.fromisoformat(detail["from"]) - scope.starts_at) < STANDS[detail["severity"]]
        heard = detail["severity"] == "page" or severity == "ticket"
        if near and heard and detail["version"] == scope.version and columns <= set(detail["columns"]):
            return True
    return False


def _insert(
    connection: sa.Connection, scope: Scope, findings: Sequence[Finding], contract: Contract, now: datetime
) -> bool:
    new = False
    detail = {
        "format": FORMAT,
        "version": scope.version,
        "scale": scope.scale,
        "from": scope.starts_at.isoformat(),
        "until": scope.ends_at.isoformat(),
        "severity": findings[0].severity,
        "columns": sorted({f.column for f in findings}, key=str),
        "findings": [{"column": f.column, "sentence": f.sentence, "deviation": f.deviation} for f in findings],
        "owner": contract.model.owner,
        "runbook": contract.model.runbook,
    }
    sentence = f"{scope}: {_said(findings)}"
    for route in contract.monitoring.routes or ["none"]:
        identity = [scope.model, scope.version, scope.scale, detail["from"], findings[0].kind, route]
        values = {"id": digest_of(identity)[:32], "model": scope.model, "kind": findings[0].kind, "at": utc(now)}
        values |= {"sentence": sentence, "detail": {**detail, "route": route}, "attempts": 0}
        values["delivered_at"] = utc(now) if route == "none" else None
        if connection.scalar(sa.select(_T.id).where(_T.id == values["id"])) is None:
            connection.execute(sa.insert(tables.alerts).values(**values))
            new = True
    return new


def _worst_first(finding: Finding) -> tuple[str, float]:
    return finding.severity, -(LARGEST if finding.deviation is None else finding.deviation)


def _said(findings: Sequence[Finding]) -> str:
    shown = [finding.sentence for finding in findings[:NAMED]]
    more = len(findings) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
