"""Writing incidents: their rows, their timelines, and the names they get."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.incidents.incident import LIVE, Incident
from outlast.monitoring.incidents.reading import read
from outlast.storage.ledger import lock
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, digest_of, micros, utc

WATCH = "outlast"
"""Who did it where nobody did: the watch itself."""
SHORTEST, _LONGEST = 5, 50
"""Letters of an id. A workspace with a thousand incidents has a twin among them once in sixty; that one gets more."""
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's, in which no letter is taken for another."""
_T = tables.incidents.c


def hold(connection: sa.Connection, model: str) -> None:
    """Let nobody else change this model's incidents until the transaction ends."""
    lock(connection, f"incidents/{model}")


def standing(connection: sa.Connection, model: str, since: datetime) -> list[Incident]:
    """The incidents of a model that are live or were closed since a moment, oldest first."""
    recent = _T.state.in_(LIVE) | (_T.closed_at >= utc(since))
    query = sa.select(tables.incidents).where((_T.model == model) & recent).order_by(_T.opened_at, _T.id)
    return [read(row) for row in connection.execute(query)]


def new_id(connection: sa.Connection, model: str, cause: str, since: datetime) -> str:
    """A short name that hangs on what the incident is about, so that work done again gives it again."""
    digest = int(digest_of([model, cause, micros(since)]), 16)
    word = "".join(_LETTERS[(digest >> (5 * place)) & 31] for place in range(_LONGEST))
    taken = set(connection.scalars(sa.select(_T.id).where(_T.id.startswith(word[:SHORTEST]))))
    return next(word[:length] for length in range(SHORTEST, _LONGEST) if word[:length] not in taken)


def put(connection: sa.Connection, incident: Incident) -> None:
    """Write an incident as it is now."""
    values = {
        "model": incident.model, "cause": incident.cause, "severity": incident.severity, "state": incident.state,
        "owner": incident.owner, "opened_at": incident.opened_at, "changed_at": incident.changed_at,
        "closed_at": incident.closed_at, "detail": _detail(incident),
    }  # fmt: skip
    done = connection.execute(sa.update(tables.incidents).where(_T.id == incident.id).values(**values))
    if not done.rowcount:
        connection.execute(sa.insert(tables.incidents).values(id=incident.id, **values))


def note(
    connection: sa.Connection, incident: str, action: str, sentence: str, *, at: datetime, by: str = WATCH
) -> None:
    """Add a line to an incident's timeline."""
    values = {"incident": incident, "at": utc(at), "by": str(by), "action": action, "sentence": sentence}
    connection.execute(sa.insert(tables.incident_events).values(**values, detail={"format": FORMAT}))


def _detail(incident: Incident) -> dict[str, Any]:
    found: Sequence[dict[str, Any]] = [asdict(one) for one in incident.found]
    times = {"since": incident.since, "last": incident.last, "seen_at": incident.seen_at, "told_at": incident.told_at}
    may = {name: getattr(incident, name) for name in ("snoozed_until", "calm_since", "escalated_at", "accounted_at")}
    return {
        "format": FORMAT,
        "version": incident.version,
        "runbook": incident.runbook,
        "title": incident.title,
        "found": [{**one, "first": one["first"].isoformat(), "last": one["last"].isoformat()} for one in found],
        "cost": None if incident.cost is None else asdict(incident.cost),
        "currency": incident.currency,
        "benign": incident.benign,
        "before": incident.before,
        "account": incident.account,
        "proposed": incident.proposed,
        "account_known": incident.account_known,
        **{name: utc(at).isoformat() for name, at in times.items()},
        **{name: utc(at).isoformat() for name, at in may.items() if at is not None},
    }
