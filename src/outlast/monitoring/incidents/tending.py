"""What time does to incidents: a snooze runs out, nothing is found any more, nobody has looked at a page."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from outlast.errors import OutlastError
from outlast.monitoring.incidents import keeping
from outlast.monitoring.incidents.grouping import family
from outlast.monitoring.incidents.incident import CALM, LIVE, SLOW, Incident
from outlast.monitoring.incidents.raising import about
from outlast.monitoring.incidents.reading import read
from outlast.monitoring.telling.alerts import Message, say
from outlast.monitoring.telling.rules import unusable
from outlast.project.contract import Contract
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import counted, duration, span, utc

_T = tables.incidents.c


@dataclass(frozen=True)
class Tended:
    """How many incidents came back from a snooze, became calm, and were escalated."""

    woken: int = 0
    calm: int = 0
    escalated: int = 0
    unread: tuple[str, ...] = ()
    """Models whose contract cannot be used, and why: their incidents are left as they are."""

    @property
    def did(self) -> bool:
        return bool(self.woken or self.calm or self.escalated)

    @property
    def sentence(self) -> str:
        parts = {"escalated": self.escalated, "back from a snooze": self.woken, "calm since days": self.calm}
        return ", ".join(f"{counted(number, 'incident')} {words}" for words, number in parts.items() if number)


def tend(ledger: Ledger, contract: Callable[[str], Contract], *, now: datetime) -> Tended:
    """Do what is due; each step is one transaction and done once, however often this is called."""
    with ledger.read() as connection:
        waiting = connection.execute(sa.select(_T.id, _T.model).where(_T.state.in_(LIVE)).order_by(_T.id)).all()
    done, unread = Tended(), dict[str, str]()
    for row in waiting:
        try:
            said = contract(row.model)
        except OutlastError as error:
            unread[row.model] = unusable(row.model, error)
            continue
        done = _tended(ledger, row.id, said, done, utc(now))
    return replace(done, unread=tuple(unread.values()))


def _tended(ledger: Ledger, name: str, contract: Contract, done: Tended, now: datetime) -> Tended:
    with ledger.read() as connection:
        was = read(connection.execute(sa.select(tables.incidents).where(_T.id == name)).one())
    if not _due(was, contract, now):
        return done
    with ledger.write() as connection:
        keeping.hold(connection, was.model)
        was = read(connection.execute(sa.select(tables.incidents).where(_T.id == name)).one())
        if not was.live:
            return done
        if _slept(was, now):
            done = replace(done, woken=done.woken + 1)
            was = _wake(connection, was, contract, now)
        if _calmed(was, contract, now):
            done = replace(done, calm=done.calm + 1)
            was = _calm(connection, was, now)
        if _unheard(was, contract, now):
            done = replace(done, escalated=done.escalated + 1)
            was = _escalate(connection, was, contract, now)
        keeping.put(connection, was)
    return done


def _due(incident: Incident, contract: Contract, now: datetime) -> bool:
    return _slept(incident, now) or _calmed(incident, contract, now) or _unheard(incident, contract, now)


def _slept(incident: Incident, now: datetime) -> bool:
    until = incident.snoozed_until
    return incident.state == "snoozed" and until is not None and until <= now


def _calmed(incident: Incident, contract: Contract, now: datetime) -> bool:
    """Whether nothing was found for long enough; a model that is looked at seldom has to be waited for."""
    slow = any(family(one.kind) == "following" for one in incident.found)
    calm = max(SLOW if slow else CALM, 2 * duration(contract.monitoring.cadence))
    return incident.calm_since is None and incident.seen_at + calm <= now


def _unheard(incident: Incident, contract: Contract, now: datetime) -> bool:
    """Whether somebody else has to hear of it: nobody looks at a page, or its owner's seat is vacant."""
    rules = contract.monitoring.escalate
    if not rules.to or incident.escalated_at is not None or incident.benign or incident.state != "open":
        return False
    if incident.owner is None:
        return True
    return incident.urgency == "page" and incident.told_at + duration(rules.after) <= now


def _wake(connection: sa.Connection, was: Incident, contract: Contract, now: datetime) -> Incident:
    """Say it again where it is still found; what has gone meanwhile is calm and said nowhere."""
    until = was.snoozed_until
    assert until is not None, "only what was put off comes back"
    keeping.note(connection, was.id, "woke", "the snooze is over", at=now)
    kept = replace(was, state="open", snoozed_until=None, changed_at=now)
    if was.calm_since is not None or _calmed(was, contract, now):
        return kept
    kept = replace(kept, told_at=now, escalated_at=None)
    words = f"still so when its snooze ended: {was.title}"
    _say(connection, kept, ("woke", until.isoformat()), words, contract.monitoring.routes, now)
    return kept


def _calm(connection: sa.Connection, was: Incident, now: datetime) -> Incident:
    since = was.last
    words = f"nothing was found since {since:%Y-%m-%d %H:%M} UTC: resolve it if that is right"
    keeping.note(connection, was.id, "calm", words, at=now)
    return replace(was, calm_since=since, changed_at=now)


def _escalate(connection: sa.Connection, was: Incident, contract: Contract, now: datetime) -> Incident:
    rules = contract.monitoring.escalate
    waited = span(duration(rules.after))
    why = "the model has no owner" if was.owner is None else f"nobody has acknowledged it within {waited}"
    _say(connection, was, ("escalated", was.told_at.isoformat()), f"{why}: {was.title}", rules.to, now)
    keeping.note(connection, was.id, "escalated", f"{why}; told {counted(len(rules.to), 'further route')}", at=now)
    return replace(was, escalated_at=now, changed_at=now)


def _say(
    connection: sa.Connection, was: Incident, step: tuple[str, str], words: str, routes: list[str], now: datetime
) -> None:
    kind = was.found[0].kind if was.found else "incident"
    sentence = f"{was.model}@{was.version}: {words} ({was.name})"
    detail = {
        "version": was.version,
        "from": was.since.isoformat(),
        "until": was.last.isoformat(),
        **about(was),
        "step": step[0],
    }
    say(connection, Message(was.model, kind, (was.id, *step), was.urgency, sentence, detail), routes, now)
