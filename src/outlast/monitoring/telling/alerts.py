"""Alerts: what is to be said on a route, written with what it is about, and delivered later.

An alert is a row of the ledger before anybody is told, so none is lost. Its id says what it is about, so none is
written twice: an incident is said once on each route when it is opened, and once for each step after that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.judge import Severity
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, digest_of, utc

NOBODY = "none"
"""The route of what is kept and shown, where the contract names none."""
_T = tables.alerts.c


@dataclass(frozen=True)
class Message:
    """What is to be said: of which model, what it is about, how urgent; `about` and the route make it one of a kind."""

    model: str
    kind: str
    about: tuple[str, ...]
    severity: Severity
    sentence: str
    detail: Mapping[str, Any]


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


def alerts(ledger: Ledger, model: str | None = None, *, waiting: bool = False) -> list[Alert]:
    """Alerts, oldest first; `waiting` leaves only those that are not delivered."""
    query = sa.select(tables.alerts).order_by(_T.at, _T.id)
    query = query if model is None else query.where(_T.model == model)
    query = query.where(_T.delivered_at.is_(None)) if waiting else query
    with ledger.read() as connection:
        return [Alert(**row._mapping) for row in connection.execute(query)]


def routes_of(connection: sa.Connection, incident: str) -> list[str]:
    """The routes on which something was said of an incident, whether it has arrived or not."""
    said = _T.detail["incident"].as_string() == incident
    found = connection.scalars(sa.select(_T.detail).where(said).order_by(_T.at, _T.id))
    return [one for one in dict.fromkeys(str(detail["route"]) for detail in found) if one != NOBODY]


def say(connection: sa.Connection, message: Message, routes: Iterable[str], now: datetime) -> int:
    """Write an alert for each route, within the caller's transaction; returns how many are new.

    Without a route the alert is kept and shown by `outlast monitor`, and nobody is told.
    """
    new = 0
    for route in list(dict.fromkeys(routes)) or [NOBODY]:
        id = digest_of([*message.about, route])[:32]
        if connection.scalar(sa.select(_T.id).where(_T.id == id)) is not None:
            continue
        detail = {"format": FORMAT, "severity": message.severity, **message.detail, "route": route}
        values = {"id": id, "model": message.model, "kind": message.kind, "at": utc(now), "sentence": message.sentence}
        told = utc(now) if route == NOBODY else None
        connection.execute(sa.insert(tables.alerts).values(**values, detail=detail, delivered_at=told, attempts=0))
        new += 1
    return new
