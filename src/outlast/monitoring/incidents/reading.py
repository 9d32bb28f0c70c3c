"""Reading incidents from the ledger, and finding the one that somebody means."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.errors import NotFound, RequestError, nearest
from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents.incident import LIVE, Event, Found, Incident
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import utc

_T, _E = tables.incidents.c, tables.incident_events.c


def incidents(
    ledger: Ledger, model: str | None = None, *, live: bool = False, since: datetime | None = None
) -> list[Incident]:
    """Incidents, the newest first; only those that are not closed, or that were open since a moment."""
    query = sa.select(tables.incidents).order_by(_T.opened_at.desc(), _T.id)
    query = query if model is None else query.where(_T.model == model)
    query = query.where(_T.state.in_(LIVE)) if live else query
    if since is not None:
        query = query.where(_T.closed_at.is_(None) | (_T.closed_at >= utc(since)))
    with ledger.read() as connection:
        return [read(row) for row in connection.execute(query)]


def timeline(ledger: Ledger, incident: str) -> list[Event]:
    """What happened to an incident, in order."""
    query = sa.select(_E.at, _E.by, _E.action, _E.sentence).where(_E.incident == incident).order_by(_E.id)
    with ledger.read() as connection:
        return [Event(*row) for row in connection.execute(query)]


def named(ledger: Ledger, begins: str, sees: Callable[[str], bool] = lambda _: True) -> Incident:
    """The one incident whose id begins so, among the models that the asker may know of."""
    wanted = begins.strip().lower()
    with ledger.read() as connection:
        known = [row.id for row in connection.execute(sa.select(_T.id, _T.model)) if sees(row.model)]
        same = [one for one in known if one.startswith(wanted)] if wanted else []
        if len(same) == 1 or wanted in same:
            one = wanted if wanted in same else same[0]
            return read(connection.execute(sa.select(tables.incidents).where(_T.id == one)).one())
    if same:
        raise RequestError(f"Several incidents begin with '{wanted}', such as {same[0]} and {same[1]}: give more of it")
    if not known:
        raise NotFound(f"There is no incident '{begins[:40]}', nor any other: nothing was found yet")
    hint = nearest(wanted, known) if len(known) <= 8 else _close(wanted, known)
    raise NotFound(f"There is no incident '{begins[:40]}': {hint}")


def _close(wanted: str, known: Sequence[str]) -> str:
    said = nearest(wanted, known)
    return said if said.startswith("did you mean") else "`outlast incidents --all` lists them"


def read(row: Any) -> Incident:
    """An incident from its row."""
    kept: Mapping[str, Any] = row.detail
    return Incident(
        row.id, row.model, kept["version"], row.cause, row.severity, row.state, row.owner, kept["runbook"],
        kept["title"], _at(kept["since"]), _at(kept["last"]), _at(kept["seen_at"]),
        row.opened_at, row.changed_at, row.closed_at, _at(kept["told_at"]),
        tuple(_found(one) for one in kept["found"]),
        None if kept["cost"] is None else Harm(**kept["cost"]),
        kept["currency"], _maybe(kept.get("snoozed_until")), _maybe(kept.get("calm_since")),
        _maybe(kept.get("escalated_at")), bool(kept.get("benign")), kept.get("before"),
        kept.get("account"), kept.get("proposed"), _maybe(kept.get("accounted_at")),
        bool(kept.get("account_known")),
    )  # fmt: skip


def _found(kept: Mapping[str, Any]) -> Found:
    return Found(**{**kept, "first": _at(kept["first"]), "last": _at(kept["last"])})


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else _at(text)
