"""What tests of every stage share: a real PostgreSQL, started once and stopped at the end."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server of our own, without a database: postgresql://postgres@{}?host=/socket/folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a machine without XDG_RUNTIME_DIR
        import pgserver
    # Not pytest's own folder: as root, pgserver runs PostgreSQL as another user, who could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="outlast-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield f"postgresql://postgres@/{{}}?host={quote(str(server.get_postmaster_info().socket_dir), safe='')}"
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database, dropped after the test."""
    name = f"outlast_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgres_server.format(name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
