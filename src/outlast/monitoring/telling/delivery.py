"""Delivering alerts: to the log, or to a webhook that may be down for a while.

While the process lives, each alert is sent once: what a route has taken is noted at once, and what it has not taken is
tried again by the next delivery. Nobody can know whether a request that was cut off, by a killed process or a lost
answer, had arrived: such an alert is sent again with the same `Idempotency-Key`, by which the receiver knows it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa

from outlast.errors import ContractError
from outlast.monitoring.telling.alerts import Alert, alerts
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, utc

TIMEOUT = 5.0
"""Seconds a webhook has to answer, well within a lease."""
AT_ONCE = 500
"""Alerts that one delivery sends at most, the rest waits for the next."""

_log = logging.getLogger("outlast.alerts")
_T = tables.alerts.c
Hold = Callable[[], None]
Quiet = Callable[[str], list[str]]


@dataclass(frozen=True)
class Delivered:
    """What a delivery did: how many alerts were taken, how many wait for the end of quiet hours, and what failed."""

    sent: int
    quiet: int
    failures: tuple[str, ...]


def deliver(ledger: Ledger, *, now: datetime, quiet: Quiet, hold: Hold) -> Delivered:
    """Send every alert that waits, oldest first; a route that fails is left alone until the next delivery.

    `quiet` says a model's quiet hours: tickets wait until they are over, pages never do. One delivery runs at a time:
    the caller holds the lease on it, renews it in `hold` before each request, and stops when it is lost.
    """
    sent = held = 0
    failed: dict[str, str] = {}
    with httpx.Client(timeout=TIMEOUT) as client:
        for alert in alerts(ledger, waiting=True)[:AT_ONCE]:
            if alert.route in failed:
                continue
            if alert.severity == "ticket" and is_quiet(quiet(alert.model), now):
                held += 1
                continue
            hold()
            if not _claim(ledger, alert):
                continue
            problem = _send(alert, client)
            _note(ledger, alert, problem, now)
            if problem is None:
                sent += 1
            else:
                failed[alert.route] = problem
    return Delivered(sent, held, tuple(failed.values()))


def is_quiet(hours: list[str], now: datetime) -> bool:
    """Whether a moment lies in quiet hours such as 22:00-07:00, in UTC.

    >>> is_quiet(["22:00-07:00"], datetime(2013, 7, 1, 6, 59)), is_quiet(["22:00-07:00"], datetime(2013, 7, 1, 7))
    (True, False)
    """
    clock = utc(now).time()
    for text in hours:
        start, end = _hours(text)
        if (start <= clock < end) if start <= end else (clock >= start or clock < end):
            return True
    return False


def payload(alert: Alert) -> dict[str, Any]:
    """What a webhook gets; `text` is what chat programs show."""
    detail = {name: value for name, value in alert.detail.items() if name not in ("route", "format", "error")}
    return {
        "format": FORMAT,
        "id": alert.id,
        "text": f"[{alert.severity}] {alert.sentence}",
        "model": alert.model,
        "kind": alert.kind,
        "at": alert.at.isoformat(),
        **detail,
    }


def place(route: str) -> str:
    """A route as it may be shown: a webhook's address often holds a secret, so only its host is.

    >>> place("https://hooks.example.com/services/secret")
    'https://hooks.example.com'
    """
    parts = urlsplit(route)
    return f"{parts.scheme}://{parts.hostname}" if parts.scheme in ("http", "https") else route


def _hours(text: str) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ContractError(
            f"outlast.toml: 'monitoring.quiet' has '{text}': expected two times of day in UTC. Example: 22:00-07:00"
        ) from None
    return start, end


def _claim(ledger: Ledger, alert: Alert) -> bool:
    """Count an attempt before it is made; False when another delivery was faster."""
    same = (_T.id == alert.id) & (_T.attempts == alert.attempts) & _T.delivered_at.is_(None)
    with ledger.write() as connection:
        done = connection.execute(sa.update(tables.alerts).where(same).values(attempts=alert.attempts + 1))
        return done.rowcount == 1


def _note(ledger: Ledger, alert: Alert, problem: str | None, now: datetime) -> None:
    detail = {name: value for name, value in alert.detail.items() if name != "error"}
    if problem is not None:
        detail["error"] = problem
    values = {"detail": detail, "delivered_at": None if problem else utc(now)}
    with ledger.write() as connection:
        connection.execute(sa.update(tables.alerts).where(_T.id == alert.id).values(**values))


def _send(alert: Alert, client: httpx.Client) -> str | None:
    """Tell one route; returns what went wrong, as a sentence."""
    if alert.route == "log":
        _log.log(logging.ERROR if alert.severity == "page" else logging.WARNING, "%s", payload(alert)["text"])
        return None
    if urlsplit(alert.route).scheme not in ("http", "https"):
        return f"The route '{alert.route}' is not known: write log or an http(s) address in 'monitoring.routes'"
    try:
        answer = client.post(alert.route, json=payload(alert), headers={"Idempotency-Key": alert.id})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"The webhook at {place(alert.route)} cannot be reached ({type(error).__name__}): it is tried again"
    if answer.is_success:
        return None
    return f"The webhook at {place(alert.route)} answered {answer.status_code}: it is tried again"
