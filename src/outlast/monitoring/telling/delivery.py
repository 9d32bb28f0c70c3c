"""Delivering alerts: on routes that may be down for a while.

While the process lives, each alert is sent once: what a route has taken is noted at once, and what it has not taken is
tried again by the next delivery. Nobody can know whether a request that was cut off, by a killed process or a lost
answer, had arrived: such an alert is sent again with the same `Idempotency-Key`, by which the receiver knows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx
import sqlalchemy as sa

from outlast.monitoring.telling.alerts import Alert
from outlast.monitoring.telling.gathering import DIGEST, gathered
from outlast.monitoring.telling.moving import move
from outlast.monitoring.telling.routes import send
from outlast.monitoring.telling.rules import Known, Rules
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import utc

TIMEOUT = 5.0
"""Seconds a webhook has to answer, well within a lease."""
AT_ONCE = 500
"""Alerts that one delivery sends at most, the rest waits for the next."""

_T = tables.alerts.c
Hold = Callable[[], None]


@dataclass(frozen=True)
class Delivered:
    """What a delivery did: how many messages were taken, how many alerts wait, for what, and what failed."""

    sent: int
    quiet: int
    later: int
    failures: tuple[str, ...]
    moved: tuple[str, ...] = ()
    """What went to other routes than it waited for, and why."""
    stranded: int = 0
    """Alerts whose contract names no route now."""
    unread: tuple[str, ...] = ()
    """Models whose contract cannot be used: their alerts went out all the same."""


def deliver(ledger: Ledger, *, now: datetime, rules: Rules, hold: Hold) -> Delivered:
    """Send every alert that waits, oldest first; a route that fails is left alone until the next delivery.

    `rules` says a model's routes, quiet hours and digest: tickets wait for them, pages never do. Where they cannot be
    used, nothing waits for them: told at night is better than not at all. One delivery runs at a time:
    the caller holds the lease on it, renews it in `hold` before each request, and stops when it is lost.
    """
    sent, failed, known = 0, dict[str, str](), Known(rules)
    moved = move(ledger, known, now)
    waiting = gathered(ledger, known, now, AT_ONCE, moved.stranded)
    with httpx.Client(timeout=TIMEOUT) as client:
        for alert in waiting.ready:
            if alert.route in failed:
                continue
            hold()
            if not _claim(ledger, alert):
                continue
            problem = send(alert, client)
            _note(ledger, alert, problem, now)
            if problem is None:
                sent += 1
            else:
                failed[alert.route] = problem
    wrong, stranded = tuple(known.wrong.values()), len(moved.stranded)
    return Delivered(sent, waiting.quiet, waiting.later, tuple(failed.values()), moved.says, stranded, wrong)


def _claim(ledger: Ledger, alert: Alert) -> bool:
    """Count an attempt before it is made; False when another delivery was faster."""
    same = (_T.id == alert.id) & (_T.attempts == alert.attempts) & _T.delivered_at.is_(None)
    with ledger.write() as connection:
        done = connection.execute(sa.update(tables.alerts).where(same).values(attempts=alert.attempts + 1))
        return done.rowcount == 1


def _note(ledger: Ledger, alert: Alert, problem: str | None, now: datetime) -> None:
    """Keep what became of it; what was gathered has arrived with its message."""
    detail = {name: value for name, value in alert.detail.items() if name != "error"}
    if problem is not None:
        detail["error"] = problem
    told = None if problem else utc(now)
    with ledger.write() as connection:
        kept = sa.update(tables.alerts).where(_T.id == alert.id)
        connection.execute(kept.values(detail=detail, delivered_at=told))
        if told is not None and alert.kind == DIGEST:
            members = sa.update(tables.alerts).where(_T.id.in_(alert.detail["members"]))
            connection.execute(members.values(delivered_at=told))
