"""The ways on which people are told: the log, a webhook, or anything that Apprise knows an address of.

An address often is a secret. `env:NAME` keeps it out of the contract, and none is ever shown: see `place`.
"""

import logging
import os
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from outlast.monitoring.telling.alerts import Alert
from outlast.types import FORMAT

LOG = "log"
_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_log = logging.getLogger("outlast.alerts")


def place(route: str) -> str:
    """A route as it may be shown: a webhook's host and port; of another service its kind, for its host may be a token.

    >>> place("https://hooks.example.com/services/secret"), place("slack://token/token/token"), place("env:PAGER")
    ('https://hooks.example.com', 'slack://…', 'env:PAGER')
    """
    kind, known, _ = route.partition("://")
    if not known:
        return route
    shown = _host(route) if _is_webhook(route) else None
    return f"{kind.lower()}://{shown or '…'}"


def trouble(route: str, *, here: bool = True) -> str | None:
    """Why a route leads nowhere, as far as that shows before anybody is told; a sentence without the address.

    Variables are those of this machine: where ticks run elsewhere, `here` is False and they are not looked at.
    """
    if not here and _VARIABLE.fullmatch(route):
        return None
    address = _address(route)
    if not address:
        return _unset(route)
    if _is_webhook(address):
        return (
            None
            if _host(address)
            else f"The route '{place(route)}' names no host that can be read: write https://HOST/…"
        )
    return None if address == LOG or _service(address) is not None else _unknown(route)


def _is_webhook(address: str) -> bool:
    return address.partition("://")[0].lower() in ("http", "https")


def _host(address: str) -> str | None:
    try:
        host, port = urlsplit(address).hostname, urlsplit(address).port
    except ValueError:  # [ is not closed, or the port is none
        return None
    if not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _address(route: str) -> str:
    """Where a route leads; nothing where that is in a variable which is not set."""
    found = _VARIABLE.fullmatch(route)
    return route if found is None else os.environ.get(found[1], "").strip()


def _unset(route: str) -> str:
    return f"The route '{route}' leads nowhere: set {route.removeprefix('env:')} where `outlast tick` runs"


def _unknown(route: str) -> str:
    return (
        f"The route '{place(route)}' is not known: write log, env:NAME, an http(s) address or an address of Apprise, "
        "such as mailtos://…, in 'monitoring.routes'"
    )


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


def send(alert: Alert, client: httpx.Client) -> str | None:
    """Tell one route; returns what went wrong, as a sentence without the address."""
    address = _address(alert.route)
    if not address:
        return _unset(alert.route)
    if address == LOG:
        _log.log(logging.ERROR if alert.severity == "page" else logging.WARNING, "%s", payload(alert)["text"])
        return None
    return _by_webhook(alert, address, client) if _is_webhook(address) else _by_service(alert, address)


def _by_webhook(alert: Alert, address: str, client: httpx.Client) -> str | None:
    shown = place(address)
    try:
        answer = client.post(address, json=payload(alert), headers={"Idempotency-Key": alert.id})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"The webhook at {shown} cannot be reached ({type(error).__name__}): it is tried again"
    return None if answer.is_success else f"The webhook at {shown} answered {answer.status_code}: it is tried again"


def _service(address: str) -> Any:
    """What Apprise knows under an address, None for nothing; it takes a third of a second to import."""
    import apprise

    return apprise.Apprise.instantiate(address, suppress_exceptions=True) if "://" in address else None


def _by_service(alert: Alert, address: str) -> str | None:
    """Through Apprise, which writes why it failed into the log."""
    import apprise

    service = _service(address)
    if service is None:
        return _unknown(alert.route)
    told = apprise.Apprise()
    told.add(service)
    kind = apprise.NotifyType.FAILURE if alert.severity == "page" else apprise.NotifyType.WARNING
    if alert.detail.get("step") == "closed":
        kind = apprise.NotifyType.SUCCESS
    if told.notify(body=_body(alert), title=_title(alert), notify_type=kind):
        return None
    return f"The route '{place(alert.route)}' did not take it, the log of the tick says why: it is tried again"


def _title(alert: Alert) -> str:
    level = alert.detail.get("level") or alert.severity
    return f"[{level}] {alert.model or 'outlast'}: {alert.detail.get('cause') or alert.kind}"


def _body(alert: Alert) -> str:
    """The sentence, and what whoever reads it needs next; the id tells one that came twice."""
    detail, cost = alert.detail, alert.detail.get("cost_per_day")
    lines = [alert.sentence, ""]
    if cost is not None:
        low, high = (f"{cost[name]:,.0f}" for name in ("low", "high"))
        lines.append(f"Costs {cost['per_day']:,.0f} {cost['currency']} a day ({low} to {high})")
    if "owner" in detail:
        lines += [f"Owner: {detail['owner'] or 'nobody'}", f"Runbook: {detail['runbook'] or 'none'}"]
    if "incident" in detail:
        lines.append(f"Next: outlast incident {detail['incident']}")
    return "\n".join([*lines, f"Message {alert.id}"])
