"""What people do with an incident: acknowledge it, assign it, snooze it, resolve it, or accept it as normal.

Each is a line of the timeline and an entry of the audit trail, with who did it and why.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outlast.errors import Conflict, RequestError
from outlast.monitoring.incidents import acceptance, keeping
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.raising import about
from outlast.monitoring.incidents.reading import read
from outlast.monitoring.telling.alerts import Message, routes_of, say
from outlast.registry import audit
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import span, utc

LONGEST = timedelta(days=30)
"""How long an incident may be put off."""
_T = tables.incidents.c

Change = Callable[[sa.Connection, Incident], tuple[Incident, str, dict[str, Any]]]
"""From an incident as it is to one as it shall be, the sentence of its timeline, and what the trail says more."""


def acknowledge(ledger: Ledger, incident: Incident, *, by: str, reason: str, at: datetime) -> Incident:
    """Say that somebody looks at it: it is not escalated any more."""

    def change(_: sa.Connection, was: Incident) -> tuple[Incident, str, dict[str, Any]]:
        return replace(was, state="acknowledged", snoozed_until=None), "looks at it", {}

    return _acted(ledger, incident, ("acknowledge", by, reason, at), change)


def assign(ledger: Ledger, incident: Incident, to: str, *, by: str, reason: str, at: datetime) -> Incident:
    """Make it somebody's own."""
    who = to.strip()
    if not who or len(who) > 100 or not who.isprintable():
        raise RequestError(
            f"'{to[:40]}' is nobody to assign an incident to: give a name or an address of 1 to 100 letters"
        )

    def change(_: sa.Connection, was: Incident) -> tuple[Incident, str, dict[str, Any]]:
        before = was.owner or "nobody's"
        return replace(was, owner=who), f"{who}'s, it was {before}", {"to": who, "from": was.owner}

    return _acted(ledger, incident, ("assign", by, reason, at), change)


def snooze(ledger: Ledger, incident: Incident, length: timedelta, *, by: str, reason: str, at: datetime) -> Incident:
    """Put it off: it is not escalated, and said again at the end if it is still there; getting worse ends that."""
    if not timedelta(0) < length <= LONGEST:
        said = f"An incident can be put off for up to {span(LONGEST)}, not for {span(length)}"
        raise RequestError(f"{said}: resolve it, or accept it as normal")
    until = utc(at) + length

    def change(_: sa.Connection, was: Incident) -> tuple[Incident, str, dict[str, Any]]:
        kept = replace(was, state="snoozed", snoozed_until=until)
        return kept, f"until {until:%Y-%m-%d %H:%M} UTC", {"until": until.isoformat()}

    return _acted(ledger, incident, ("snooze", by, reason, at), change)


def resolve(ledger: Ledger, incident: Incident, *, by: str, reason: str, at: datetime) -> Incident:
    """Close it: what is found from now on is an incident of its own. Whoever heard of it hears that it is over."""

    def change(connection: sa.Connection, was: Incident) -> tuple[Incident, str, dict[str, Any]]:
        _tell_end(connection, was, f"resolved by {by}", reason, at)
        return replace(was, state="resolved", closed_at=utc(at), snoozed_until=None), "it is over", {}

    return _acted(ledger, incident, ("resolve", by, reason, at), change)


def accept(ledger: Ledger, incident: Incident, *, by: str, reason: str, at: datetime) -> Incident:
    """Take what it found, from its beginning on, for normal; that changes what the model is held against."""
    if not reason.strip():
        raise RequestError(
            f"Nothing is accepted as normal without a reason: outlast accept {incident.id} --reason 'since March we …'"
        )

    def change(connection: sa.Connection, was: Incident) -> tuple[Incident, str, dict[str, Any]]:
        taken = acceptance.keep(connection, was, by=by, reason=reason, at=at)
        _tell_end(connection, was, f"accepted as normal by {by}", reason, at)
        streams = [f"{kind} {column or ''}".strip() for kind, column in taken.streams]
        more = {"streams": streams, "since": taken.since.isoformat(), "level": taken.level}
        kept = replace(was, state="accepted", closed_at=utc(at), snoozed_until=None)
        return kept, f"normal from {taken.since:%Y-%m-%d %H:%M} UTC on: {', '.join(streams)}", more

    return _acted(ledger, incident, ("accept", by, reason, at), change)


def _acted(ledger: Ledger, incident: Incident, done: tuple[str, str, str, datetime], change: Change) -> Incident:
    """Change an incident, add to its timeline and to the trail, all or nothing."""
    action, by, reason, at = done
    with ledger.write() as connection:
        keeping.hold(connection, incident.model)
        was = read(connection.execute(sa.select(tables.incidents).where(_T.id == incident.id)).one())
        if not was.live:
            raise Conflict(
                f"Incident {was.id} is closed, it was {was.state} at {was.closed_at:%Y-%m-%d %H:%M} UTC: "
                "what is found now is an incident of its own"
            )
        kept, words, more = change(connection, was)
        kept = replace(kept, changed_at=utc(at))
        keeping.put(connection, kept)
        why = f": {reason.strip()}" if reason.strip() else ""
        keeping.note(connection, was.id, action, f"{words}{why}", at=at, by=by)
        detail = {"incident": was.id, "cause": was.cause, "reason": reason, **more}
        audit.record(connection, actor=by, action=f"{action} incident", object=was.model, detail=detail, at=at)
    return kept


def _tell_end(connection: sa.Connection, incident: Incident, words: str, reason: str, at: datetime) -> None:
    """Say that it is over wherever it was said that it began."""
    why = f": {reason.strip()}" if reason.strip() else ""
    detail = {
        "version": incident.version,
        "from": incident.since.isoformat(),
        "until": utc(at).isoformat(),
        **about(incident),
        "step": "closed",
    }
    sentence = f"{incident.model}@{incident.version}: {words}{why}; it was: {incident.title} ({incident.name})"
    told = routes_of(connection, incident.id)
    if told:
        say(
            connection, Message(incident.model, "closed", (incident.id, "closed"), "ticket", sentence, detail), told, at
        )
