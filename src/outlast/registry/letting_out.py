"""Fresh values while a version is being let out: written for it already, and dropped by nobody.

A version is filled before it is live. Whoever fills notes it in the ledger first, and looks then whether a lookup it
fills is just being dropped. Whoever drops notes that first, and looks then who may be served. So one of the two sees
the other: the one that drops leaves off, the one that fills waits. Both notes are leases: a killed process's run out.
"""

import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from outlast.errors import Conflict
from outlast.storage.ledger import Ledger, leases
from outlast.storage.ledger.schema import leases as table
from outlast.types import Clock, utc

LETTING_OUT, DROPPING = "letting out", "dropping"
SECONDS = 600.0
"""How long a version is protected after its promotion was killed; one that goes on says so again in time."""
DROP_SECONDS = 60.0
_POLL = 0.05


class Mark:
    """The note that a version is being let out, which `renew` makes last."""

    def __init__(self, ledger: Ledger, model: str, number: int, clock: Clock) -> None:
        self._ledger, self._what, self.now = ledger, f"{model}@{number}", clock
        self.name = f"{LETTING_OUT}/{uuid4().hex}/{number}/{model}"
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._until = 0.0
        leases.acquire(ledger, self.name, self.holder, SECONDS, self.now())

    def renew(self, *, at_least: float = SECONDS) -> None:
        """Make it last; Conflict when it ran out, since fresh values may have been dropped meanwhile."""
        if self._until - time.monotonic() >= at_least:
            return
        if not leases.renew(self._ledger, self.name, self.holder, SECONDS, self.now()):
            raise Conflict(
                f"Letting {self._what} out stood still for more than {SECONDS / 60:.0f} minutes, and its fresh values "
                "may have been dropped meanwhile: do it again"
            )
        self._until = time.monotonic() + SECONDS

    def release(self) -> None:
        leases.release(self._ledger, self.name, self.holder)


@contextmanager
def letting_out(ledger: Ledger, model: str, number: int, *, lookups: Collection[str], clock: Clock) -> Iterator[Mark]:
    """Protect a version's fresh values, until it is live or has failed; waits while one of them is being dropped."""
    mark = Mark(ledger, model, number, clock)
    try:
        wanted = {f"{DROPPING}/{digest}" for digest in lookups}
        while wanted & _held(ledger, DROPPING, mark.now()):
            time.sleep(_POLL)
        mark.renew()
        yield mark
    finally:
        mark.release()


def being_let_out(connection: sa.Connection, now: datetime) -> list[tuple[str, int]]:
    """The versions that are being let out, by model and number."""
    names = [name.split("/", 3) for name in _names(connection, LETTING_OUT, now)]
    return [(model, int(number)) for _, _, number, model in names]


def forget_run_out(ledger: Ledger, *, now: datetime) -> int:
    """Take notes of killed processes away; returns how many."""
    ours = sa.or_(*(table.c.name.startswith(f"{kind}/", autoescape=True) for kind in (LETTING_OUT, DROPPING)))
    with ledger.write() as connection:
        return connection.execute(sa.delete(table).where(ours & (table.c.until <= utc(now)))).rowcount


def _held(ledger: Ledger, kind: str, now: datetime) -> set[str]:
    with ledger.read() as connection:
        return set(_names(connection, kind, now))


def _names(connection: sa.Connection, kind: str, now: datetime) -> list[str]:
    return list(connection.scalars(_HELD[kind], {"now": utc(now)}))


def _held_of(kind: str) -> sa.Select[tuple[str]]:
    begins = table.c.name.startswith(f"{kind}/", autoescape=True)
    return sa.select(table.c.name).where(begins & (table.c.until > sa.bindparam("now", type_=table.c.until.type)))


_HELD = {kind: _held_of(kind) for kind in (LETTING_OUT, DROPPING)}
"""Prepared once: every fact that comes in asks."""
