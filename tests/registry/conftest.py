"""A ledger on SQLite and on a real PostgreSQL, and versions with verdicts to put in it."""

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.versions import Version, register
from outlast.storage.ledger import Ledger, open_ledger
from outlast.types import digest_of

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with open_ledger(url) as opened:
        yield opened


@pytest.fixture
def train(ledger: Ledger) -> Callable[..., Version]:
    """Register the next version of a model."""
    numbers = count(1)

    def made(model: str = "late", **more) -> Version:
        number = next(numbers)
        summary = {"metrics": {"roc_auc": {"value": 0.7, "low": 0.6, "high": 0.8}}}
        given = {"digest": digest_of([model, number]), "code_digest": "c" * 64, "task": "binary", "summary": summary}
        given |= {"lineage": {"flights": "d" * 64}, "by": "ada", "at": NOON - timedelta(days=1, minutes=-number)}
        return register(ledger, model, **{**given, **more})

    return made


@pytest.fixture
def judge(ledger: Ledger) -> Callable[..., str]:
    """Write a verdict about a version; returns its digest."""

    def made(number: int, model: str = "late", *, passed: bool = True, at: datetime = NOON) -> str:
        with ledger.write() as connection:
            return verdicts.write(connection, model, number, at, [{"name": "floors", "passed": passed}])

    return made


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def train_in(noon: datetime) -> Iterator[Callable[[Workspace], Version]]:
    """Register a version in a workspace of its own."""
    used: list[Workspace] = []

    def made(workspace: Workspace) -> Version:
        used.append(workspace)
        digest = workspace.artifacts.put(empty_zip())
        given = {"code_digest": None, "task": "binary", "summary": {}, "lineage": {}, "by": "ada", "at": noon}
        return register(workspace.ledger, "late", digest=digest, **given)

    yield made
    for workspace in used:
        workspace.ledger.dispose()


def empty_zip() -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


@pytest.fixture
def tamper(ledger: Ledger) -> Callable[..., int]:
    """Change the ledger as somebody who owns the database can: the tables' protection is taken off first."""

    def done(*statements: sa.Executable) -> int:
        with ledger.write() as connection:
            unprotect(connection)
            return sum(abs(connection.execute(one).rowcount) for one in statements)  # psycopg says -1 for an insert

    return done


def unprotect(connection: sa.Connection) -> None:
    """Take the triggers off that refuse every change but an addition."""
    for table in ("audit", "transitions", "approvals", "verdicts"):
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        else:
            for what in ("update", "delete"):
                connection.execute(sa.text(f"DROP TRIGGER IF EXISTS {table}_no_{what}"))
