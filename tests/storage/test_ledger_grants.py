"""A PostgreSQL with two roles: one owns the tables, the other serves and can rewrite nothing."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from outlast.errors import NotFound, Refused
from outlast.registry import audit
from outlast.registry.approvals import Rules, decide
from outlast.registry.rollout import transition
from outlast.registry.verdicts import write
from outlast.registry.versions import register
from outlast.storage.ledger import grant, leases, open_ledger
from outlast.storage.ledger.grants import ONLY_ADDED_TO

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def role(postgres_url: str) -> Iterator[str]:
    """A role that may log in and has no rights of its own."""
    name = f"app-{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{name}" LOGIN')
        yield name
        connection.execute(f'DROP OWNED BY "{name}"')
        connection.execute(f'DROP ROLE "{name}"')


def test_the_role_of_the_application_does_its_work_and_rewrites_nothing(postgres_url: str, role: str) -> None:
    open_ledger(postgres_url).dispose()
    grant(postgres_url, role)
    grant(postgres_url, role)
    theirs = postgres_url.replace("postgres@", f"{role}@", 1)
    with open_ledger(theirs) as ledger:
        given = {"code_digest": None, "task": "binary", "summary": {}, "lineage": {}, "by": "ada", "at": NOON}
        version = register(ledger, "late", digest="d1", **given)
        with ledger.write() as connection:
            verdict = write(connection, "late", 1, NOON, [{"name": "floors", "passed": True}])
        decide(ledger, version, "approve", by="bob", reason="sound", at=NOON, rules=Rules(1, True))
        transition(ledger, "late", action="promote", to=1, verdict=verdict, by="ada", at=NOON)
        assert leases.acquire(ledger, "tick", "me", 60, NOON)
        assert audit.verify(ledger) is None
        for table in (*ONLY_ADDED_TO, "meta"):
            change = {"audit": "actor = 'x'", "approvals": "reason = 'x'", "meta": "value = '9'"}
            set_ = change.get(table, "model = 'x'")
            for statement in (f"UPDATE {table} SET {set_}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), ledger.write() as connection:
                    connection.execute(sa.text(statement))
        with pytest.raises(sa.exc.ProgrammingError, match="must be owner"), ledger.write() as connection:
            connection.execute(sa.text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        assert audit.verify(ledger) is None


@pytest.mark.parametrize("table", ONLY_ADDED_TO)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_not_even_the_owner_changes_what_was_done_by_a_plain_statement(ledger_of_owner, table: str, statement) -> None:
    column = {"audit": "actor", "verdicts": "model"}.get(table, "by")
    with pytest.raises(Exception, match="is only ever added to"), ledger_of_owner.write() as connection:
        connection.execute(sa.text(statement.format(table, column)))


@pytest.fixture(scope="module")
def ledger_of_owner(postgres_server: str) -> Iterator[object]:
    name = f"outlast_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        with open_ledger(postgres_server.format(name)) as ledger:
            yield ledger
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_sqlite_refuses_them_too(tmp_path, statement: str) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        with ledger.write() as connection:
            audit.record(connection, actor="ada", action="note", object="late", detail={}, at=NOON)
        with pytest.raises(sa.exc.IntegrityError, match="is only ever added to"), ledger.write() as connection:
            connection.execute(sa.text(statement))
        assert audit.verify(ledger) is None


def test_a_grant_that_would_mean_nothing_is_refused(postgres_url: str, tmp_path) -> None:
    open_ledger(postgres_url).dispose()
    with pytest.raises(NotFound, match="has no role 'nobody': make it with CREATE ROLE"):
        grant(postgres_url, "nobody")
    with pytest.raises(Refused, match="Role 'postgres' is a superuser"):
        grant(postgres_url, "postgres")
    with pytest.raises(Refused, match="is no PostgreSQL, which alone has roles"):
        grant(f"sqlite:///{tmp_path}/ledger.db", "app")
