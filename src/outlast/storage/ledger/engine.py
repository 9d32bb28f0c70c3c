"""One SQLAlchemy engine per ledger, set up so that SQLite and PostgreSQL behave alike."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc

from outlast.errors import MissingExtra, SettingsError, StorageError

WAIT_SECONDS = 10
"""How long a writer waits for another before it gives up."""

EXAMPLES = "write sqlite:////folder/ledger.db or postgresql://user:password@host/database"


def address(url: str) -> sa.URL:
    """The parsed address of a ledger, with the driver Outlast uses."""
    try:
        parsed = sa.make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
        backend = parsed.get_backend_name()
    except (exc.ArgumentError, ValueError):
        # Not even quoted: an address that cannot be parsed may still hold a password.
        raise SettingsError(f"The ledger's address cannot be read as one: {EXAMPLES}") from None
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite")
    wrong = "names no file" if backend == "sqlite" else f"names a {backend} database"
    raise SettingsError(f"The ledger's address {wrong}, expected an SQLite file or PostgreSQL: {EXAMPLES}")


def engine_for(url: sa.URL) -> sa.Engine:
    """An engine that connects when first used."""
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _create(url: sa.URL, arguments: dict[str, Any], **options: Any) -> sa.Engine:
    return sa.create_engine(
        url,
        connect_args=arguments,
        json_serializer=_encode,
        json_deserializer=msgspec.json.decode,
        pool_timeout=WAIT_SECONDS,
        max_overflow=20,
        **options,
    )


def _sqlite(url: sa.URL) -> sa.Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Ledger '{url.database}' has no folder and none can be made ({error.strerror}): create '{folder}' yourself"
        ) from error
    engine = _create(url, {"timeout": WAIT_SECONDS})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say; the driver's own would come too late and too weak
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # the ledger is the truth: it survives a power cut too


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("ledger_writes", False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _postgresql(url: sa.URL) -> sa.Engine:
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": WAIT_SECONDS}
    try:
        engine = _create(url, arguments, pool_pre_ping=True)
    except ImportError as error:
        raise MissingExtra.of("postgres", "psycopg", "A ledger on PostgreSQL") from error
    sa.event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _record: object) -> None:
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
    connection.autocommit = False
