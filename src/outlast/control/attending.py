"""What people do with incidents: the functions behind the operations on them, for the models that the asker may see."""

from collections.abc import Callable, Mapping

from outlast.control.acting import Acting, Do
from outlast.control.operations import ACCEPT, ACK, ASSIGN, INCIDENT, INCIDENTS, RESOLVE, SNOOZE
from outlast.control.shapes import Assigning, Attended, Attending, Listing, OfIncident, Snoozing
from outlast.errors import NotFound, RequestError, SettingsError, nearest
from outlast.monitoring.incidents import acting as doing
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents, named, timeline
from outlast.registry.versions import models
from outlast.types import duration


def _incidents(acting: Acting, asked: Listing) -> list[Incident]:
    ledger, name = acting.workspace.ledger, asked.whole if asked.model else None
    seen = [one for one in models(ledger) if acting.sees(one)]
    if name is not None and name not in seen:
        raise NotFound(f"There is no model '{name}': {nearest(name, seen)}")
    return [one for one in incidents(ledger, name, live=not asked.closed) if acting.sees(one.model)]


def _incident(acting: Acting, asked: OfIncident) -> Attended:
    return _told(acting, named(acting.workspace.ledger, asked.id, acting.sees))


def _plainly(does: Callable[..., Incident]) -> Do:
    """An action that needs no more than a reason."""

    def do(acting: Acting, asked: Attending) -> Attended:
        ledger = acting.workspace.ledger
        found = named(ledger, asked.id, acting.sees)
        return _told(acting, does(ledger, found, by=acting.by, reason=asked.reason, at=acting.at))

    return do


def _assign(acting: Acting, asked: Assigning) -> Attended:
    ledger = acting.workspace.ledger
    found = named(ledger, asked.id, acting.sees)
    return _told(acting, doing.assign(ledger, found, asked.to, by=acting.by, reason=asked.reason, at=acting.at))


def _snooze(acting: Acting, asked: Snoozing) -> Attended:
    ledger = acting.workspace.ledger
    found = named(ledger, asked.id, acting.sees)
    try:
        length = duration(asked.length)
    except SettingsError as error:
        raise RequestError(error.sentence) from None
    return _told(acting, doing.snooze(ledger, found, length, by=acting.by, reason=asked.reason, at=acting.at))


def _told(acting: Acting, incident: Incident) -> Attended:
    return Attended(incident, timeline(acting.workspace.ledger, incident.id))


DO: Mapping[str, Do] = {
    INCIDENTS.name: _incidents,
    INCIDENT.name: _incident,
    ACK.name: _plainly(doing.acknowledge),
    ASSIGN.name: _assign,
    SNOOZE.name: _snooze,
    RESOLVE.name: _plainly(doing.resolve),
    ACCEPT.name: _plainly(doing.accept),
}
