"""What was served when: written by the servers themselves, before they swap and after they have drained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from outlast.errors import NotFound
from outlast.registry.rollout import Transition, live, transitions
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import utc

_TABLE = tables.served
_COLUMNS = [column for column in _TABLE.c if column.name != "trouble"]
_SERVED = _TABLE.c.trouble.is_(None)


@dataclass(frozen=True)
class Span:
    """A server had a version in service from one moment to another (None: it still has), and who made it live."""

    id: int
    model: str
    version: int
    digest: str | None
    server: str
    since: datetime
    until: datetime | None
    by: str | None
    reason: str | None
    role: str | None = None


@dataclass(frozen=True)
class Trouble:
    """A server could not load a version that was to answer."""

    model: str
    version: int
    server: str
    at: datetime
    says: str


def taking(
    ledger: Ledger, model: str, version: int, digest: str | None, server: str, at: datetime, *, role: str | None = None
) -> int:
    """Note that a server is about to answer with a version; call it before the swap. Returns the span's id.

    `role` is the stage of a challenger, None for what is live.
    """
    row = {"model": model, "version": version, "digest": digest, "server": server, "since": utc(at), "role": role}
    with ledger.write() as connection:
        made = connection.execute(sa.insert(_TABLE).values(row)).inserted_primary_key
        assert made is not None
        return int(made[0])


def trouble(
    ledger: Ledger, model: str, version: int, digest: str | None, *, server: str, at: datetime, says: str
) -> None:
    """Note that a server could not load a version which is to answer, and why."""
    row = {"model": model, "version": version, "digest": digest, "server": server}
    with ledger.write() as connection:
        connection.execute(sa.insert(_TABLE).values(**row, since=utc(at), until=utc(at), trouble=says))


def troubles(ledger: Ledger, model: str) -> list[Trouble]:
    """What servers could not load, oldest first."""
    columns = (_TABLE.c.model, _TABLE.c.version, _TABLE.c.server, _TABLE.c.since, _TABLE.c.trouble)
    where = (_TABLE.c.model == model) & _TABLE.c.trouble.is_not(None)
    with ledger.read() as connection:
        rows = connection.execute(sa.select(*columns).where(where).order_by(_TABLE.c.since, _TABLE.c.id)).all()
    return [Trouble(*row) for row in rows]


def unloaded(ledger: Ledger) -> list[Trouble]:
    """What is live and could not be loaded by the server that tried last."""
    found = []
    for one in live(ledger):
        last = [trouble for trouble in troubles(ledger, one.model) if trouble.version == one.live][-1:]
        spans = history(ledger, one.model) if last else []
        if last and not any(span.version == one.live and span.since >= last[0].at for span in spans):
            found += last
    return found


def released(ledger: Ledger, id: int, at: datetime) -> None:
    """Note that a server has sent its last answer with a version; again changes nothing."""
    with ledger.write() as connection:
        open_span = (_TABLE.c.id == id) & _TABLE.c.until.is_(None)
        done = connection.execute(sa.update(_TABLE).where(open_span).values(until=utc(at)))
        if not done.rowcount and connection.scalar(sa.select(_TABLE.c.id).where(_TABLE.c.id == id)) is None:
            raise NotFound(f"There is no served span {id} in the ledger: call taking() first, and keep what it returns")


def abandon(ledger: Ledger, *, at: datetime, server_prefix: str | None = None, ids: Sequence[int] | None = None) -> int:
    """Close what dead servers left open, by how their names begin or by ids; returns how many spans."""
    where: sa.ColumnElement[bool] = _TABLE.c.until.is_(None)
    if server_prefix is not None:
        where &= _TABLE.c.server.startswith(server_prefix, autoescape=True)
    if ids is not None:
        where &= _TABLE.c.id.in_(list(ids))
    if server_prefix is None and ids is None:
        raise ValueError("abandon() needs server_prefix or ids: it never closes every server's spans")
    later = sa.case((_TABLE.c.since > utc(at), _TABLE.c.since), else_=sa.bindparam("at", utc(at), _TABLE.c.until.type))
    with ledger.write() as connection:
        return connection.execute(sa.update(_TABLE).where(where).values(until=later)).rowcount


def open_spans(ledger: Ledger) -> list[Span]:
    """Every span that no server has closed yet, of all models."""
    query = sa.select(*_COLUMNS).where(_TABLE.c.until.is_(None)).order_by(_TABLE.c.since, _TABLE.c.id)
    with ledger.read() as connection:
        return [Span(**row._mapping, by=None, reason=None) for row in connection.execute(query)]


def history(ledger: Ledger, model: str) -> list[Span]:
    """What was served when by which server, oldest first, and who made it live and why."""
    return _spans(ledger, model, None)


def served_at(ledger: Ledger, model: str, moment: datetime) -> list[Span]:
    """What was in service at a moment; during a swap both versions were."""
    then = utc(moment)
    return _spans(ledger, model, (_TABLE.c.since <= then) & (_TABLE.c.until.is_(None) | (_TABLE.c.until >= then)))


def _spans(ledger: Ledger, model: str, where: sa.ColumnElement[bool] | None) -> list[Span]:
    steps = transitions(ledger, model)
    query = sa.select(*_COLUMNS).where(_SERVED & (_TABLE.c.model == model)).order_by(_TABLE.c.since, _TABLE.c.id)
    with ledger.read() as connection:
        rows = connection.execute(query if where is None else query.where(where)).all()
    spans = []
    for row in rows:
        step = _made_live(steps, row.version, row.since)
        spans.append(Span(**row._mapping, by=step.by if step else None, reason=step.reason if step else None))
    return spans


def _made_live(steps: list[Transition], version: int, since: datetime) -> Transition | None:
    """The last transition to a version before a server took it; a server's clock may be behind, then the first."""
    candidates = [step for step in steps if version in (step.to_version, step.challenger)]
    before = [step for step in candidates if step.at <= since]
    return before[-1] if before else candidates[0] if candidates else None
