"""Leases: one process at a time does a named piece of work, and a dead one loses it by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from outlast.storage.ledger.ledger import Ledger, lock
from outlast.storage.ledger.schema import leases
from outlast.types import utc


@dataclass(frozen=True)
class Lease:
    """Who holds a piece of work, and until when."""

    holder: str
    until: datetime


def held(ledger: Ledger, begins: str, now: datetime) -> dict[str, Lease]:
    """The leases held now whose name begins so, by name."""
    named = leases.c.name.startswith(begins, autoescape=True) & (leases.c.until > utc(now))
    with ledger.read() as connection:
        return {row.name: Lease(row.holder, row.until) for row in connection.execute(sa.select(leases).where(named))}


def acquire(ledger: Ledger, name: str, holder: str, seconds: float, now: datetime) -> bool:
    """Take a lease that is free, has run out or is ours already; False while somebody else holds it."""
    until = utc(now) + timedelta(seconds=seconds)
    with ledger.write() as connection:
        lock(connection, f"lease:{name}")
        held = connection.execute(sa.select(leases.c.holder, leases.c.until).where(leases.c.name == name)).one_or_none()
        if held is None:
            connection.execute(sa.insert(leases).values(name=name, holder=holder, until=until))
            return True
        if held.holder != holder and held.until > utc(now):
            return False
        connection.execute(sa.update(leases).where(leases.c.name == name).values(holder=holder, until=until))
        return True


def renew(ledger: Ledger, name: str, holder: str, seconds: float, now: datetime) -> bool:
    """Hold a lease for longer; False when it has run out or changed hands, and the work should stop."""
    ours = (leases.c.name == name) & (leases.c.holder == holder) & (leases.c.until > utc(now))
    with ledger.write() as connection:
        done = connection.execute(sa.update(leases).where(ours).values(until=utc(now) + timedelta(seconds=seconds)))
        return done.rowcount == 1


def release(ledger: Ledger, name: str, holder: str) -> bool:
    """Give a lease back; False when it was not ours any more."""
    with ledger.write() as connection:
        ours = (leases.c.name == name) & (leases.c.holder == holder)
        return connection.execute(sa.delete(leases).where(ours)).rowcount == 1
