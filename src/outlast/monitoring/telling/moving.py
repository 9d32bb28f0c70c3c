"""Alerts that wait for a route which the contract no longer names: they go to those that it names now.

Such a row is closed with a note of where it went, and written for each of the other routes that does not have it, in
one transaction: a kill leaves it waiting or moved, and no route is told twice. What was gathered for such a route is
taken apart first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.telling.alerts import Alert, alerts
from outlast.monitoring.telling.gathering import DIGEST
from outlast.monitoring.telling.routes import place
from outlast.monitoring.telling.rules import Known
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import counted, digest_of, utc

_T = tables.alerts.c
_OF_THE_ROUTE = ("error", "gathered", "moved")


@dataclass(frozen=True)
class Moved:
    """What went elsewhere, in sentences, and what waits because its contract names nobody now."""

    says: tuple[str, ...]
    stranded: frozenset[str]


def move(ledger: Ledger, rules: Known, now: datetime) -> Moved:
    """Send on what waits for routes that are gone; what nobody is named for is kept and not tried."""
    waiting = alerts(ledger, waiting=True)
    gone = {one.id: one for one in waiting if one.kind != DIGEST and _is_gone(one, rules)}
    for one in waiting:
        if one.kind == DIGEST and not gone.keys().isdisjoint(one.detail["members"]):
            _take_apart(ledger, one, now)
    did, stranded = Counter[tuple[str, str, str]](), set[str]()
    for alert in gone.values():
        routes = _routes(alert, rules)
        if not routes:
            stranded.add(alert.id)
        elif _move(ledger, alert, routes, now):
            did[alert.model, place(alert.route), ", ".join(place(route) for route in routes)] += 1
    return Moved(tuple(_says(*key, number) for key, number in did.items()), frozenset(stranded))


def _says(model: str, before: str, routes: str, number: int) -> str:
    goes = "goes" if number == 1 else "go"
    return f"{counted(number, 'alert')} of {model} {goes} to {routes}, for {before} is none of its routes any more"


def _is_gone(alert: Alert, rules: Known) -> bool:
    known = rules.of(alert.model)
    return known is not None and alert.route not in known.everyone


def _routes(alert: Alert, rules: Known) -> list[str]:
    """Who hears of it instead: of what was escalated those it is escalated to, if there are any."""
    known = rules.of(alert.model)
    assert known is not None, "only an alert whose contract was read is gone"
    further = known.escalate.to if alert.detail.get("step") == "escalated" else []
    return list(dict.fromkeys(further or known.routes))


def _take_apart(ledger: Ledger, digest: Alert, now: datetime) -> None:
    """Close a message of several, so that each of them waits by itself again."""
    members = sa.select(tables.alerts).where(_T.id.in_(digest.detail["members"]), _T.delivered_at.is_(None))
    with ledger.write() as connection:
        if not _close(connection, digest, [], now):
            return
        for row in connection.execute(members).all():
            _keep(connection, row.id, {name: row.detail[name] for name in row.detail if name != "gathered"})


def _move(ledger: Ledger, alert: Alert, routes: Sequence[str], now: datetime) -> bool:
    """Close a row and write it for the routes that have none of it; one that was moved away before comes back."""
    same = (_T.model == alert.model) & (_T.kind == alert.kind) & (_T.at == utc(alert.at))
    kept = {name: value for name, value in alert.detail.items() if name not in _OF_THE_ROUTE}
    fresh = {"model": alert.model, "kind": alert.kind, "at": utc(alert.at), "sentence": alert.sentence}
    with ledger.write() as connection:
        there = {
            row.detail["route"]: row
            for row in connection.execute(sa.select(tables.alerts).where(same))
            if row.sentence == alert.sentence
        }
        if not _close(connection, alert, routes, now):
            return False
        for route in routes:
            detail, row = {**kept, "route": route}, there.get(route)
            if row is None:
                id = digest_of([*map(str, fresh.values()), route])[:32]
                values = {"id": id, **fresh, "detail": detail, "delivered_at": None, "attempts": 0}
                connection.execute(sa.insert(tables.alerts).values(values))
            elif "moved" in row.detail:
                _keep(connection, row.id, detail, delivered_at=None, attempts=0)
    return True


def _close(connection: sa.Connection, alert: Alert, routes: Sequence[str], now: datetime) -> bool:
    """Note where it went; False where another delivery was faster."""
    still = sa.update(tables.alerts).where(_T.id == alert.id, _T.delivered_at.is_(None))
    detail = {name: value for name, value in alert.detail.items() if name != "gathered"} | {"moved": list(routes)}
    return connection.execute(still.values(detail=detail, delivered_at=utc(now))).rowcount == 1


def _keep(connection: sa.Connection, id: str, detail: dict[str, object], **more: object) -> None:
    connection.execute(sa.update(tables.alerts).where(_T.id == id).values(detail=detail, **more))
