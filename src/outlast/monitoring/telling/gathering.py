"""One message instead of a flood: what waits on a route is gathered where it is too much, or where that was asked for.

What is gathered is a row of its own, written with a note in each of its members, in one transaction: a kill leaves
either the members or their message, and never both to be sent.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from outlast.monitoring.telling.alerts import Alert, alerts
from outlast.monitoring.telling.rules import Known
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import EPOCH, FORMAT, counted, digest_of, utc

TICKETS = 5
"""Tickets that are sent one by one; more at once are one message."""
PAGES = 5
"""Pages that a route gets one by one within an hour; what is beyond is gathered, every quarter of an hour."""
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
LISTED = 20
DIGEST = "digest"
_T = tables.alerts.c


@dataclass
class Waiting:
    """What may be sent now, oldest first, and how much of the rest waits, for the end of quiet hours or its turn."""

    ready: list[Alert] = field(default_factory=list)
    quiet: int = 0
    later: int = 0


def gathered(ledger: Ledger, rules: Known, now: datetime, most: int, without: Set[str] = frozenset()) -> Waiting:
    """Sort what waits, gather what is too much, and say what is to be sent."""
    found, by_route = Waiting(), dict[str, list[Alert]]()
    for alert in alerts(ledger, waiting=True):
        if "gathered" not in alert.detail and alert.id not in without:
            by_route.setdefault(alert.route, []).append(alert)
    for route, waiting in by_route.items():
        tickets = [alert for alert in waiting if alert.severity == "ticket" and alert.kind != DIGEST]
        pages = [alert for alert in waiting if alert.severity == "page" and alert.kind != DIGEST]
        found.ready += [alert for alert in waiting if alert.kind == DIGEST]
        found.ready += _tickets(ledger, found, (tickets, rules), now)
        found.ready += _pages(ledger, found, (pages, route), now)
    found.ready = sorted(found.ready, key=lambda alert: (alert.at, alert.id))[:most]
    return found


def _tickets(ledger: Ledger, found: Waiting, those: tuple[Sequence[Alert], Known], now: datetime) -> list[Alert]:
    """Tickets that are due, each by itself or as one; whoever asked for a digest gets one at each of its ends."""
    waiting, rules = those
    due, asked = [], False
    for alert in waiting:
        length = rules.digest(alert.model)
        if rules.quiet(alert.model, now):
            found.quiet += 1
        elif length is not None and not _over(alert.at, length, now):
            found.later += 1
        else:
            due.append(alert)
            asked = asked or length is not None
    return _together(ledger, due, now) if len(due) > (1 if asked else TICKETS) else due


def _pages(ledger: Ledger, found: Waiting, those: tuple[Sequence[Alert], str], now: datetime) -> list[Alert]:
    """As many pages as the hour has room for; the rest together, if the last such message is long enough ago."""
    pages, route = those
    fresh = [alert for alert in pages if not alert.attempts]
    tried = [alert for alert in pages if alert.attempts]
    alone, last = _said(ledger, route, now)
    room = max(0, PAGES - alone - len(tried))
    beyond = fresh[room:]
    if not beyond:
        return list(pages)
    if last is not None and now < last + QUARTER:
        found.later += len(beyond)
        return [*tried, *fresh[:room]]
    return [*tried, *fresh[:room], *(_together(ledger, beyond, now) if len(beyond) > 1 else beyond)]


def _said(ledger: Ledger, route: str, now: datetime) -> tuple[int, datetime | None]:
    """How many pages a route got by themselves within the hour, and when the last that was gathered, or beyond them."""
    query = sa.select(_T.kind, _T.delivered_at, _T.detail).where(_T.delivered_at > utc(now) - HOUR)
    alone, last = list[datetime](), None
    with ledger.read() as connection:
        for row in connection.execute(query.order_by(_T.delivered_at, _T.id)):
            if row.detail["route"] != route or row.detail["severity"] != "page":
                continue
            if "gathered" in row.detail or "moved" in row.detail:
                continue
            if row.kind == DIGEST or len(alone) >= PAGES:
                last = row.delivered_at
            else:
                alone.append(row.delivered_at)
    return len(alone), last


def _together(ledger: Ledger, members: Sequence[Alert], now: datetime) -> list[Alert]:
    """One message of several, written before anything is sent."""
    severity, route = members[0].severity, members[0].route
    id = digest_of([DIGEST, route, *sorted(alert.id for alert in members)])[:32]
    models = sorted({alert.model for alert in members})
    lines = [f"- {alert.sentence}" for alert in members[:LISTED]]
    more = len(members) - len(lines)
    head = f"{counted(len(members), severity)} about {', '.join(models)}:"
    sentence = "\n".join([head, *lines, *([f"- and {more} more: outlast incidents"] if more else [])])
    detail = {
        "format": FORMAT,
        "severity": severity,
        "models": models,
        "incidents": sorted({str(alert.detail["incident"]) for alert in members if "incident" in alert.detail}),
        "members": [alert.id for alert in members],
        "route": route,
        "step": DIGEST,
    }
    values = {"model": None, "kind": DIGEST, "at": utc(now), "sentence": sentence, "detail": detail}
    same = _T.id.in_([alert.id for alert in members]) & _T.delivered_at.is_(None)
    with ledger.write() as connection:
        there = connection.scalars(sa.select(_T.detail).where(same)).all()
        if len(there) != len(members) or any("gathered" in one for one in there):
            return []  # another delivery was faster
        while connection.scalar(sa.select(_T.id).where(_T.id == id)) is not None:
            id = digest_of([DIGEST, id])[:32]  # gathered once before, and taken apart when its route was gone
        connection.execute(sa.insert(tables.alerts).values(id=id, **values, delivered_at=None, attempts=0))
        for alert in members:
            kept = {**alert.detail, "gathered": id}
            connection.execute(sa.update(tables.alerts).where(_T.id == alert.id).values(detail=kept))
        row = connection.execute(sa.select(tables.alerts).where(_T.id == id)).one()
    return [Alert(**row._mapping)]


def _over(at: datetime, length: timedelta, now: datetime) -> bool:
    """Whether a stretch of this length, counted from 1970, has ended since a moment."""
    return (utc(now) - EPOCH) // length > (utc(at) - EPOCH) // length
