"""What detectors remember between checks, kept in the ledger with the check that it was written in."""

from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.detecting.bank import Bank, State
from outlast.monitoring.detecting.keeping import from_bytes, to_bytes
from outlast.storage.ledger import schema as tables

_D = tables.detectors.c


def state_of(connection: sa.Connection, model: str, bank: Bank) -> State:
    """Where a bank of a model was left; streams that are new to it begin now."""
    kept = read(connection, model, bank.severity)
    return bank.begin() if kept is None else bank.resume(from_bytes(kept))


def keep(connection: sa.Connection, model: str, bank: Bank, state: State, at: datetime) -> None:
    """Leave it there, within the caller's transaction."""
    put(connection, model, bank.severity, to_bytes(state), at)


def read(connection: sa.Connection, model: str, name: str) -> bytes | None:
    """What one detector left, as it wrote it."""
    kept = connection.scalar(sa.select(_D.state).where((_D.model == model) & (_D.name == name)))
    return None if kept is None else bytes(kept)


def put(connection: sa.Connection, model: str, name: str, state: bytes, at: datetime) -> None:
    """Leave it there, within the caller's transaction."""
    values = {"at": at, "state": state}
    mine = (_D.model == model) & (_D.name == name)
    if not connection.execute(sa.update(tables.detectors).where(mine).values(**values)).rowcount:
        connection.execute(sa.insert(tables.detectors).values(model=model, name=name, **values))
