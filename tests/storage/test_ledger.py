"""The ledger on SQLite and on a real PostgreSQL: the contract, and everything that can go wrong with it."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from outlast.errors import MissingExtra, SettingsError, StorageError
from outlast.storage.checks.ledger import CHECKS, NOON
from outlast.storage.ledger import Ledger, leases, migrate_ledger, open_ledger, opening, schema

SECRET = "hunter2-do-not-show"


@pytest.fixture(autouse=True)
def really_migrated(migrate: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ledger of this file is made by the migrations."""
    monkeypatch.setattr(command, "upgrade", migrate)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Callable[[], Ledger]], None], url: str) -> None:
    check(lambda: open_ledger(url))


def test_migrations_make_exactly_the_tables_of_the_schema(url: str) -> None:
    with open_ledger(url) as ledger, ledger.read() as connection:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata) == []


def test_text_sorts_by_code_point_whatever_the_locale_of_the_server(postgres_url: str) -> None:
    asked = sa.text(
        "SELECT DISTINCT collation_name FROM information_schema.columns WHERE data_type = 'character varying' "
        "AND table_schema = current_schema() AND table_name <> :stamp"
    )
    with open_ledger(postgres_url) as ledger, ledger.read() as connection:
        assert list(connection.scalars(asked, {"stamp": schema.VERSION_TABLE})) == ["C"]


# Several processes


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


COUNTING = """
import sys
from outlast.storage.checks.ledger import take_next_number
from outlast.storage.ledger import open_ledger
print("ready", flush=True)
sys.stdin.readline()
with open_ledger(sys.argv[1]) as ledger:
    for _ in range(25):
        take_next_number(ledger, "m")
"""


def test_processes_that_write_at_once_lose_nothing(url: str) -> None:
    with open_ledger(url) as ledger, ledger.write() as connection:
        connection.execute(sa.insert(schema.models).values(name="m", created_at=NOON))
    together([python(COUNTING, url) for _ in range(3)])
    with open_ledger(url) as ledger, ledger.read() as connection:
        assert sorted(connection.scalars(sa.select(schema.versions.c.number))) == list(range(1, 76))


OPENING = """
import sys
import alembic.command
from outlast.storage.ledger import open_ledger
print("ready", flush=True)
sys.stdin.readline()
open_ledger(sys.argv[1]).dispose()
"""


def test_processes_that_create_at_once_create_one_ledger(url: str) -> None:
    together([python(OPENING, url) for _ in range(3)])
    with open_ledger(url) as ledger, ledger.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.meta)) == 1


def together(processes: list[subprocess.Popen[str]]) -> None:
    """Let processes go at the same moment; each must end well."""
    for process in processes:
        wait_until_ready(process)
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


DYING = """
import sys
import sqlalchemy as sa
from outlast.storage.checks.ledger import NOON
from outlast.storage.ledger import lock, open_ledger, schema
ledger = open_ledger(sys.argv[1])
with ledger.write() as connection:
    connection.execute(sa.insert(schema.models).values(name="whole", created_at=NOON))
with ledger.write() as connection:
    lock(connection, "m")
    connection.execute(sa.insert(schema.models).values(name="half", created_at=NOON))
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_killed_writer_leaves_what_it_committed_and_no_lock(url: str) -> None:
    process = python(DYING, url)
    wait_until_ready(process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    with open_ledger(url) as ledger:
        assert leases.acquire(ledger, "tick", "the next", 60, NOON)
        with ledger.read() as connection:
            assert list(connection.scalars(sa.select(schema.models.c.name))) == ["whole"]


CREATING = """
import os, signal, sys
import sqlalchemy as sa
from outlast.storage.ledger import open_ledger
def die(connection, cursor, statement, *rest):
    if "CREATE TABLE audit" in statement:
        os.kill(os.getpid(), signal.SIGKILL)
sa.event.listen(sa.Engine, "before_cursor_execute", die)
open_ledger(sys.argv[1])
"""


def test_killed_while_creating_leaves_nothing_half_made(url: str) -> None:
    process = python(CREATING, url)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with open_ledger(url) as ledger, ledger.read() as connection:
        assert connection.scalar(sa.select(schema.meta.c.value)) == "1"


def test_a_writer_that_waits_too_long_says_who_to_ask(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.storage.ledger.engine.WAIT_SECONDS", 0.2)
    with open_ledger(url) as one, open_ledger(url) as other, one.write() as connection:
        row = {"name": "tick", "holder": "a", "until": NOON}
        connection.execute(sa.insert(schema.leases).values(row))
        with pytest.raises(StorageError, match="is busy: another process"), other.write() as second:
            second.execute(sa.insert(schema.leases).values(row))


# Releases


def stamp(url: str, revision: str, form: str = "1") -> None:
    with open_ledger(url) as ledger, ledger.write() as connection:
        connection.execute(sa.text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '{revision}'"))
        connection.execute(sa.update(schema.meta).values(value=form))


@pytest.mark.parametrize(
    ("revision", "form", "sentence"),
    [
        ("0000", "1", "earlier release .*back it up, then run: outlast doctor --migrate"),
        ("9999", "1", "newer release .*upgrade Outlast"),
        ("0003", "2", "has format 2, this release reads format 1"),
    ],
)
def test_a_ledger_of_another_release_is_refused(url: str, revision: str, form: str, sentence: str) -> None:
    stamp(url, revision, form)
    with pytest.raises(StorageError, match=sentence):
        open_ledger(url)


def test_migrating_never_touches_a_newer_ledger(url: str) -> None:
    stamp(url, "9999")
    with pytest.raises(StorageError, match="newer release"):
        migrate_ledger(url)


def test_migrating_creates_and_then_does_nothing(url: str) -> None:
    assert migrate_ledger(url) == (None, "0003")
    assert migrate_ledger(url) == ("0003", "0003")


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a release to come: one more column, and perhaps a mistake."""
    folder = tmp_path / "100% migrations"
    shutil.copytree(opening.MIGRATIONS, folder)
    monkeypatch.setattr(opening, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "HEAD", "0004")
    return folder / "versions" / "v0004.py"


NEXT = """
import sqlalchemy as sa
from alembic import op
revision = "0004"
down_revision = "0003"
def upgrade():
    op.add_column("models", sa.Column("nickname", sa.String()))
    {mistake}
"""


def revision_and_columns(url: str) -> tuple[str, bool]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        revision = connection.scalar(sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}"))
        columns = {column["name"] for column in sa.inspect(connection).get_columns("models")}
    engine.dispose()
    return str(revision), "nickname" in columns


def test_an_earlier_ledger_is_migrated_when_asked(url: str, request: pytest.FixtureRequest) -> None:
    open_ledger(url).dispose()
    request.getfixturevalue("next_release").write_text(NEXT.format(mistake=""))
    with pytest.raises(StorageError, match="outlast doctor --migrate"):
        open_ledger(url)
    assert migrate_ledger(url) == ("0003", "0004")
    assert revision_and_columns(url) == ("0004", True)
    open_ledger(url).dispose()


def test_a_migration_that_fails_changes_nothing(url: str, request: pytest.FixtureRequest) -> None:
    open_ledger(url).dispose()
    request.getfixturevalue("next_release").write_text(NEXT.format(mistake="op.execute('SELECT no_such_thing()')"))
    with pytest.raises((sa.exc.DBAPIError, StorageError)):
        migrate_ledger(url)
    assert revision_and_columns(url) == ("0003", False)


# Addresses


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ledger.db", "cannot be read as one"),
        ("", "cannot be read as one"),
        (f"postgresql://me:{SECRET}@host:no-port/db", "cannot be read as one"),
        (f"mysql://me:{SECRET}@host/db", "names a mysql database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("nonsense://host", "names a nonsense database"),
    ],
)
def test_an_address_that_is_none_is_refused_with_an_example(address: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        open_ledger(address)
    assert "sqlite:////folder/ledger.db" in caught.value.sentence
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_postgresql_without_psycopg_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'outlast[postgres]'")):
        open_ledger("postgresql://somebody@localhost/outlast")


@pytest.mark.parametrize("query", ["", f"?password={SECRET}"])
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_database_that_is_down_is_one_sentence_without_the_password(scheme: str, query: str) -> None:
    with pytest.raises(StorageError, match=r"'outlast' on 127\.0\.0\.1:1 failed, check that it runs") as caught:
        open_ledger(f"{scheme}://somebody:{SECRET}@127.0.0.1:1/outlast{query}")
    assert "refused" in caught.value.sentence.lower()
    assert "\n" not in caught.value.sentence
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_database_that_does_not_exist_is_one_sentence(postgres_server: str) -> None:
    with pytest.raises(StorageError, match=r"'absent' on .* failed, .*does not exist"):
        open_ledger(postgres_server.format("absent"))


def test_a_ledger_shows_where_it_is_and_not_its_password(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db?timeout=1") as ledger:
        assert repr(ledger) == f"<Ledger '{tmp_path}/ledger.db'>"
        assert ledger.dialect == "sqlite"


def test_a_restarted_server_is_found_again(postgres_url: str) -> None:
    with open_ledger(postgres_url) as ledger, open_ledger(postgres_url) as other:
        with ledger.read() as connection:
            process = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with other.write() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": process})
        with ledger.read() as connection:
            assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != process


def test_a_connection_lost_within_a_write_is_one_sentence(postgres_url: str) -> None:
    with open_ledger(postgres_url) as ledger, open_ledger(postgres_url) as other:
        with pytest.raises(StorageError, match="failed, check that it runs"):
            _lose_the_connection_of_a_write(ledger, other)
        with ledger.read() as connection:
            assert list(connection.scalars(sa.select(schema.models.c.name))) == []


def _lose_the_connection_of_a_write(ledger: Ledger, other: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(sa.insert(schema.models).values(name="lost", created_at=NOON))
        process = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with other.read() as killing:
            killing.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": process})


def test_a_shared_postgresql_is_fine_until_a_name_clashes(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('of mlflow')"))
    open_ledger(postgres_url).dispose()
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "of mlflow"
        connection.execute(sa.text(f"DROP TABLE {schema.VERSION_TABLE}"))
    engine.dispose()
    with pytest.raises(StorageError, match="holds tables of something else"):
        open_ledger(postgres_url)


# Files


def test_opening_an_existing_ledger_is_fast_and_needs_no_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).dispose()
    program = """
import sys, time
from outlast.storage.ledger import open_ledger
times = []
for _ in range(5):
    start = time.perf_counter()
    open_ledger(sys.argv[1]).dispose()
    times.append(time.perf_counter() - start)
print("alembic" in sys.modules, min(times))
"""
    loaded, seconds = python(program, url).communicate(timeout=60)[0].split()
    assert loaded == "False"
    assert float(seconds) < 0.03


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path}/a/b/ledger.db").dispose()
    assert (tmp_path / "a/b/ledger.db").exists()


def test_writes_are_synced_and_logged_ahead(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger, ledger.write() as connection:
        settings = ["journal_mode", "synchronous", "foreign_keys", "busy_timeout"]
        assert [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in settings] == ["wal", 2, 1, 10_000]


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger, ledger.read() as connection:
        assert connection.scalar(sa.select(schema.meta.c.value)) == "1"


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"flight,delay\n" * 100)
    with pytest.raises(StorageError, match="is not an SQLite database"):
        open_ledger(f"sqlite:///{file}")
    assert file.read_bytes() == b"flight,delay\n" * 100


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        open_ledger(f"sqlite:///{tmp_path}")


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(StorageError, match="has no folder and none can be made"):
        open_ledger(f"sqlite:///{tmp_path}/a/ledger.db")


def test_somebody_elses_database_is_refused_and_kept(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE experiments (name)")
    connection.commit()
    connection.close()
    before = (tmp_path / "mlflow.db").read_bytes()
    with pytest.raises(StorageError, match=r"holds tables of something else \(experiments\)"):
        open_ledger(f"sqlite:///{tmp_path}/mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_a_damaged_ledger_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    open_ledger(f"sqlite:///{file}").dispose()
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    with pytest.raises(StorageError, match="is damaged: restore it from a backup"):
        _read_all(f"sqlite:///{file}")


def test_a_ledger_cut_short_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    open_ledger(f"sqlite:///{file}").dispose()
    os.truncate(file, 8192)
    with pytest.raises(StorageError, match="is damaged: restore it from a backup"):
        _read_all(f"sqlite:///{file}")


def _read_all(url: str) -> None:
    with open_ledger(url) as ledger, ledger.read() as connection:
        for table in schema.metadata.sorted_tables:
            connection.execute(sa.select(table)).all()


@contextmanager
def folder_of_an_ordinary_user() -> Iterator[Path]:
    """A folder, and this process as somebody whom file permissions hold back (they do not hold back root)."""
    with tempfile.TemporaryDirectory() as name:
        root, nobody = os.geteuid() == 0, 65534
        if root:
            os.chown(name, nobody, nobody)
            os.seteuid(nobody)
        try:
            yield Path(name)
        finally:
            os.chmod(name, 0o700)
            if root:
                os.seteuid(0)


def test_a_read_only_ledger_can_be_read_and_says_why_it_is_not_written() -> None:
    open_ledger_once_as_root_so_that_everything_is_imported()
    with folder_of_an_ordinary_user() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        open_ledger(url).dispose()
        (folder / "ledger.db").chmod(0o444)
        with open_ledger(url) as ledger:
            with ledger.read() as connection:
                assert connection.scalar(sa.select(schema.meta.c.value)) == "1"
            with pytest.raises(StorageError, match="is read-only: make the file"):
                leases.acquire(ledger, "tick", "a", 60, NOON)


def test_a_read_only_folder_is_one_sentence() -> None:
    open_ledger_once_as_root_so_that_everything_is_imported()
    with folder_of_an_ordinary_user() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        folder.chmod(0o500)
        with pytest.raises(StorageError, match="cannot be opened: check that the file and its folder"):
            open_ledger(url)
        with pytest.raises(StorageError, match=r"none can be made \(Permission denied\)"):
            open_ledger(f"sqlite:///{folder}/deeper/ledger.db")


def open_ledger_once_as_root_so_that_everything_is_imported() -> None:
    with tempfile.TemporaryDirectory() as name:
        open_ledger(f"sqlite:///{name}/ledger.db").dispose()


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        assert leases.acquire(ledger, "tick", "a", 60, NOON)
        with ledger.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        with pytest.raises(StorageError, match="has no room left"):
            _write_beyond(ledger, f"PRAGMA max_page_count = {pages}")
        assert not leases.acquire(ledger, "tick", "b", 60, NOON)


def _write_beyond(ledger: Ledger, limit: str) -> None:
    with ledger.write() as connection:
        connection.exec_driver_sql(limit)
        connection.execute(sa.insert(schema.marks).values(name="big", value="x" * 100_000, at=NOON))


def test_more_threads_than_connections_wait_for_one(url: str) -> None:
    with open_ledger(url) as ledger:
        start = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            taken = list(pool.map(lambda n: leases.acquire(ledger, f"job {n}", "a", 60, NOON), range(64)))
        assert all(taken)
        assert time.monotonic() - start < 10
