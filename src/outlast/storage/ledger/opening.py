"""Opening a ledger: made when it is missing, refused when another release wrote it."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from outlast.errors import StorageError
from outlast.storage.ledger import schema
from outlast.storage.ledger.engine import WAIT_SECONDS, address, engine_for
from outlast.storage.ledger.faults import failure, place
from outlast.storage.ledger.ledger import Ledger, lock, speaking, writing
from outlast.storage.ledger.outside import Outside
from outlast.types import FORMAT

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def open_ledger(url: str, outside: Outside | None = None) -> Ledger:
    """The ledger at an address such as sqlite:////folder/ledger.db or postgresql://user:password@host/database.

    A ledger that does not exist is created. One that an earlier release wrote is refused until `outlast doctor
    --migrate` has been run, and one that a later release wrote is refused. `outside` is where the heads of its trail
    are noted.
    """
    parsed = address(url)
    engine = engine_for(parsed)
    try:
        with speaking(parsed):
            with engine.connect() as connection:
                revision = _revision(connection)
            if revision is None:
                _bring_to_head(engine)
            else:
                _refuse_other(revision, parsed, migrate=False)
    except BaseException:
        engine.dispose()
        raise
    return Ledger(url, engine, outside)


def migrate_ledger(url: str) -> tuple[str | None, str]:
    """Bring a ledger to this release's format; returns the revision before (None: created) and after."""
    parsed = address(url)
    engine = engine_for(parsed)
    try:
        with speaking(parsed):
            return _bring_to_head(engine), schema.HEAD
    finally:
        engine.dispose()


def _bring_to_head(engine: sa.Engine) -> str | None:
    from alembic import command

    if engine.dialect.name == "sqlite":
        _switch_to_wal(engine.url)
    with writing(engine) as connection:
        lock(connection, "ledger-format")
        revision = _revision(connection)  # again: another process may have been first
        if revision != schema.HEAD:
            if revision is not None:
                _refuse_other(revision, engine.url, migrate=True)
            command.upgrade(_config(connection), "head")
    return revision


def _revision(connection: sa.Connection) -> str | None:
    """The revision a ledger is at; None when there is no ledger yet."""
    tables = set(sa.inspect(connection).get_table_names())
    if schema.VERSION_TABLE not in tables:
        _refuse_strangers(connection, tables)
        return None
    form = connection.scalar(sa.select(schema.meta.c.value).where(schema.meta.c.key == "format"))
    if form != str(FORMAT):
        raise StorageError(
            f"{place(connection.engine.url)} has format {form}, this release reads format {FORMAT}: "
            "install the release of Outlast that wrote it"
        )
    return str(connection.scalar(sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}")))


def _refuse_strangers(connection: sa.Connection, tables: set[str]) -> None:
    # A team's PostgreSQL may be shared as long as no name clashes; a file belongs to one program.
    strangers = tables if connection.dialect.name == "sqlite" else tables & set(schema.metadata.tables)
    if strangers:
        names = ", ".join(sorted(strangers)[:3])
        raise StorageError(
            f"{place(connection.engine.url)} holds tables of something else ({names}): "
            "give the ledger a database of its own"
        )


def _refuse_other(revision: str, url: sa.URL, *, migrate: bool) -> None:
    if revision > schema.HEAD:
        raise StorageError(
            f"{place(url)} was written by a newer release (revision {revision}, this one knows {schema.HEAD}): "
            "upgrade Outlast"
        )
    if revision < schema.HEAD and not migrate:
        raise StorageError(
            f"{place(url)} was written by an earlier release (revision {revision}, this one needs {schema.HEAD}): "
            "back it up, then run: outlast doctor --migrate"
        )


def _switch_to_wal(url: sa.URL) -> None:
    """Write-ahead logging is kept in the file, so it is set once; SQLite does not wait for its lock by itself."""
    deadline = time.monotonic() + WAIT_SECONDS
    with closing(sqlite3.connect(str(url.database))) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise failure(str(error), url) from error
            time.sleep(0.01)


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
