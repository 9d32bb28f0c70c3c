"""A ledger that is open: transactions to read and to write."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy import exc

from outlast.errors import StorageError
from outlast.storage.ledger.faults import place, spoken
from outlast.storage.ledger.outside import Outside


class Ledger:
    """The record of models, versions and rollouts; safe to use from many threads and processes.

    Opened by `open_ledger`. A `with ledger.write() as connection:` block is one transaction: all of it happens or
    nothing does, also when the process is killed. A `read()` block sees one unchanging state and refuses to write.
    """

    def __init__(self, url: str, engine: sa.Engine, outside: Outside | None = None) -> None:
        self.url = url
        self.outside = outside
        self.dialect = engine.dialect.name
        self._engine = engine
        self._mine = threading.local()

    def __repr__(self) -> str:
        return f"<{place(self._engine.url)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees the ledger as it is now, whatever is written meanwhile."""
        with speaking(self._engine.url, reading=True), self._engine.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that changes the ledger: committed at the end of the block, undone by an exception."""
        if getattr(self._mine, "writing", False):
            raise StorageError(
                f"{place(self._engine.url)} is already being written by this thread: "
                "pass the connection of the outer write() along"
            )
        self._mine.writing = True
        then: dict[str, Callable[[], None]] = {}
        try:
            with speaking(self._engine.url), writing(self._engine, outside=self.outside, then=then) as connection:
                yield connection
        finally:
            self._mine.writing = False
        for act in then.values():
            act()

    def dispose(self) -> None:
        """Close every connection; the ledger opens new ones if it is used again."""
        self._engine.dispose()


@contextmanager
def writing(
    engine: sa.Engine, *, outside: Outside | None = None, then: dict[str, Callable[[], None]] | None = None
) -> Iterator[sa.Connection]:
    """One write transaction on an engine, with the database's own errors."""
    with engine.connect() as plain:
        connection = plain.execution_options(ledger_writes=True, ledger_outside=outside, ledger_then=then)
        with connection.begin():
            yield connection


@contextmanager
def speaking(url: sa.URL, *, reading: bool = False) -> Iterator[None]:
    """Turn failures of the database into one sentence; a broken constraint stays what it is."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        meaning = spoken(error, url, reading=reading)
        if meaning is None:
            raise
        raise meaning from error


def outside_of(connection: sa.Connection) -> Outside | None:
    """Where this transaction's ledger is noted outside the database."""
    found: Outside | None = connection.get_execution_options().get("ledger_outside")
    return found


def after_commit(connection: sa.Connection, name: str, act: Callable[[], None]) -> None:
    """Do something once the caller's write transaction is committed; of one name only the last."""
    then: dict[str, Callable[[], None]] | None = connection.get_execution_options().get("ledger_then")
    assert then is not None, "only within Ledger.write()"
    then[name] = act


def lock(connection: sa.Connection, name: str) -> None:
    """Wait until no other write transaction holds this name; held until the transaction ends.

    On SQLite a write transaction is alone already, so there is nothing to do.
    """
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(f"outlast:{name}".encode()).digest()[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
