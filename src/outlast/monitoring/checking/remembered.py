"""What detectors remember between checks, kept in the ledger with the check that it was written in."""

from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.detecting.bank import Bank, State
from outlast.monitoring.detecting.keeping import from_bytes, to_bytes
from outlast.storage.ledger import schema as tables

_D = tables.detectors.c


def state_of(connection: sa.Connection, model: str, bank: Bank) -> State:
    """Where a bank of a model was left; streams that are new to it begin now."""
    kept = connection.scalar(sa.select(_D.state).where(_is(model, bank)))
    return bank.begin() if kept is None else bank.resume(from_bytes(kept))


def keep(connection: sa.Connection, model: str, bank: Bank, state: State, at: datetime) -> None:
    """Leave it there, within the caller's transaction."""
    values = {"at": at, "state": to_bytes(state)}
    done = connection.execute(sa.update(tables.detectors).where(_is(model, bank)).values(**values))
    if not done.rowcount:
        connection.execute(sa.insert(tables.detectors).values(model=model, name=bank.severity, **values))


def _is(model: str, bank: Bank) -> sa.ColumnElement[bool]:
    return (_D.model == model) & (_D.name == bank.severity)
