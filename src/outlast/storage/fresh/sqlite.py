"""Fresh values in one SQLite file."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from outlast.errors import StorageError
from outlast.storage.fresh.store import DamagedFresh, Fact, Found, Grown, Latest, Request, Since, Version

T = TypeVar("T")
FORMAT = 2
_BUSY_SECONDS = 10.0
_CACHE_KIB = 32_000  # for each thread, when it needs it: half the time of a lookup is spent fetching pages
_EARLIEST, _LATEST_OF_ALL = -(2**63), 2**63 - 1
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_CHANGED = "INSERT INTO changes VALUES ({0}.lookup, {0}.entity, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1;"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS lookups (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, newest INTEGER)",
    """
    CREATE TABLE IF NOT EXISTS facts (
        lookup INTEGER NOT NULL, entity TEXT NOT NULL, known INTEGER NOT NULL, key TEXT NOT NULL,
        superseded INTEGER, payload BLOB NOT NULL,
        PRIMARY KEY (lookup, entity, known, key)
    ) WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX IF NOT EXISTS versions_of_a_key ON facts (lookup, key, known)",
    # since format 2: how often facts of an entity changed in another way than by one that comes after all others
    """
    CREATE TABLE changes (
        lookup INTEGER NOT NULL, entity TEXT NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (lookup, entity)
    ) WITHOUT ROWID
    """,
    f"CREATE TRIGGER fact_changed AFTER UPDATE ON facts BEGIN {_CHANGED.format('OLD')} {_CHANGED.format('NEW')} END",
    f"""
    CREATE TRIGGER fact_between AFTER INSERT ON facts WHEN EXISTS (
        SELECT 1 FROM facts AS other WHERE other.lookup = NEW.lookup AND other.entity = NEW.entity
        AND (other.known, other.key) > (NEW.known, NEW.key)
    ) BEGIN {_CHANGED.format("NEW")} END
    """,
    f"""
    CREATE TRIGGER fact_forgotten AFTER DELETE ON facts WHEN OLD.superseded IS NOT NULL
    BEGIN {_CHANGED.format("OLD")} END
    """,  # it may have been the last one, and what comes next lie before it
)
_LATEST = """
SELECT known, key, payload FROM facts
WHERE lookup = ?1 AND entity = ?2 AND known < ?3 AND known >= ?4 AND (superseded IS NULL OR superseded >= ?3)
ORDER BY known DESC, key DESC LIMIT 1
"""
_WINDOW = """
SELECT known, key, payload FROM facts
WHERE lookup = ?1 AND entity = ?2 AND known >= ?4 AND known < ?3 AND (superseded IS NULL OR superseded >= ?3)
ORDER BY known, key
"""
_SINCE = """
SELECT coalesce(changes.epoch, 0), facts.known, facts.key, facts.payload, facts.superseded
FROM (SELECT ?1 AS lookup, ?2 AS entity) AS asked
LEFT JOIN changes ON changes.lookup = asked.lookup AND changes.entity = asked.entity
LEFT JOIN facts ON facts.lookup = ?1 AND facts.entity = ?2 AND (facts.known, facts.key) {} (?3, ?4)
    AND facts.known < ?5
ORDER BY facts.known, facts.key
"""
_FROM, _AFTER = _SINCE.format(">="), _SINCE.format(">")
_COUNTED = _FROM.replace(
    "(?3, ?4)",
    """(min(?3, coalesce((
        SELECT newest.known FROM facts AS newest
        WHERE newest.lookup = ?1 AND newest.entity = ?2 AND newest.known < ?5
            AND (newest.superseded IS NULL OR newest.superseded >= ?5)
        ORDER BY newest.known DESC, newest.key DESC LIMIT 1 OFFSET ?6 - 1), -9223372036854775808)), ?4)""",
)
_INSERT = """
INSERT INTO facts (lookup, key, known, entity, payload, superseded) VALUES (?1, ?2, ?3, ?4, ?5,
    (SELECT min(later.known) FROM facts AS later WHERE later.lookup = ?1 AND later.key = ?2 AND later.known > ?3))
ON CONFLICT DO NOTHING
"""
_REPLACE = """
UPDATE facts SET entity = ?4, payload = ?5
WHERE lookup = ?1 AND key = ?2 AND known = ?3 AND (entity <> ?4 OR payload <> ?5)
"""
_SUPERSEDE = """
UPDATE facts SET superseded = ?3 WHERE lookup = ?1 AND key = ?2 AND superseded IS NOT ?3 AND known =
    (SELECT max(earlier.known) FROM facts AS earlier
     WHERE earlier.lookup = ?1 AND earlier.key = ?2 AND earlier.known < ?3)
"""
_PRUNE = """
DELETE FROM facts WHERE lookup = ?1 AND known < ?2 AND (superseded < ?2 OR EXISTS (
    SELECT 1 FROM facts AS newer
    WHERE newer.lookup = ?1 AND newer.entity = facts.entity AND newer.known < ?2 AND newer.superseded IS NULL
      AND (newer.known, newer.key) > (facts.known, facts.key)
    LIMIT 1 OFFSET ?3 - 1))
"""
_DROP = """
INSERT INTO changes SELECT DISTINCT lookup, entity, 1 FROM facts WHERE lookup = ?
ON CONFLICT DO UPDATE SET epoch = epoch + 1
"""


class FreshValues:
    """Facts by lookup digest and entity, in one SQLite file that any number of threads and processes share.

    A later version of a key replaces the earlier ones from the moment it is known, whichever entity it names. What
    was ingested survives a killed process; a power cut may take the last transactions, never the file.

    A file of format 1 becomes one of format 2 when it is opened; nothing in it is lost.

    The file is opened when it is first needed, so a damaged one stands in the way of those who read it only.
    """

    at_once = 20_000

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._numbers: dict[str, int] = {}

    @property
    def address(self) -> str:
        return str(self.path)

    def ingest(self, digest: str, facts: Sequence[Fact]) -> int:
        """Take facts in, in one transaction and any order; returns how many were not there before.

        A key known at a moment is one version: when it comes again, what came last is kept.
        """
        return self.ingest_many([(digest, facts)])

    def ingest_many(self, items: Iterable[tuple[str, Sequence[Fact]]]) -> int:
        """Take facts of several lookups in, all or none."""
        with self._sentences("write to"), self._transaction() as connection:
            return sum([self._ingest(connection, digest, facts) for digest, facts in items])

    def latest(self, digest: str, entity: str, before: int, since: int | None = None) -> Found | None:
        """The newest fact of an entity known before a moment, as (known, key, values); the greatest key wins a tie."""
        try:
            number = self._numbers.get(digest) or self._number(digest)
            values = (number, entity, before, _EARLIEST if since is None else since)
            found: Found | None = self._connection().execute(_LATEST, values).fetchone()
            return found
        except sqlite3.Error as error:
            raise self._failed("read", error) from error

    def window(self, digest: str, entity: str, since: int, before: int) -> list[Found]:
        """The facts of an entity known from `since` until before a moment, by (known, key)."""
        try:
            number = self._numbers.get(digest) or self._number(digest)
            return self._connection().execute(_WINDOW, (number, entity, before, since)).fetchall()
        except sqlite3.Error as error:
            raise self._failed("read", error) from error

    def read_many(self, requests: Sequence[Request]) -> list[Any]:
        """What each request asks for, of several as it is at one moment: a lock is taken once and not for each."""
        if len(requests) < 2:
            return [self._one(request) for request in requests]
        with self._sentences("read"), _reading(self._connection()):
            return [self._one(request) for request in requests]

    def _one(self, asked: Request) -> Any:
        return self.latest(*asked) if isinstance(asked, Latest) else self._grown(asked)

    def _grown(self, asked: Since) -> Grown:
        try:
            number = self._numbers.get(asked.digest) or self._number(asked.digest)
            before = _LATEST_OF_ALL if asked.before is None else asked.before
            values: tuple[Any, ...] = (number, asked.entity, asked.known, asked.key or "", before)
            sql = _FROM if asked.key is None else _AFTER
            if asked.least and asked.key is None:
                sql, values = _COUNTED, (*values, asked.least)
            rows = self._connection().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed("read", error) from error
        return Grown(str(rows[0][0]), [Version(*row[1:]) for row in rows if row[1] is not None])

    def prune(self, digest: str, older_than: int, keep: int = 1) -> int:
        """Forget what no lookup of the `keep` newest facts at `older_than` or later can find; returns how many went.

        Each entity keeps its newest facts. Windows that look back beyond `older_than` lose rows. A version that comes
        again after it was pruned is taken as new.
        """
        with self._sentences("prune"), self._transaction() as connection:
            return connection.execute(_PRUNE, (self._number(digest), older_than, keep)).rowcount

    def drop(self, digest: str) -> None:
        """Forget all facts of a lookup."""
        with self._sentences("drop from"), self._transaction() as connection:
            number = self._number(digest)
            connection.execute(_DROP, (number,))
            connection.execute("DELETE FROM facts WHERE lookup = ?", (number,))
            # the number itself stays: other processes remember it
            connection.execute("UPDATE lookups SET newest = NULL WHERE digest = ?", (digest,))

    def copy_to(self, target: Path) -> None:
        """Write all of it to a new file, as it is at one moment; nobody waits for it."""
        with self._sentences("copy"), closing(sqlite3.connect(target)) as copy:
            self._connection().backup(copy)

    def count(self, digest: str) -> int:
        """How many versions of facts a lookup has."""
        with self._sentences("read"):
            rows = self._connection().execute("SELECT count(*) FROM facts WHERE lookup = ?", (self._number(digest),))
            return int(rows.fetchone()[0])

    def newest(self, digest: str, until: int | None = None) -> int | None:
        """When the newest fact of a lookup became known; with `until`, of those known by then."""
        with self._sentences("read"):
            connection = self._connection()
            row = connection.execute("SELECT number, newest FROM lookups WHERE digest = ?", (digest,)).fetchone()
            if row is None or row[1] is None or until is None or row[1] <= until:
                return None if row is None else row[1]
            early = connection.execute("SELECT max(known) FROM facts WHERE lookup = ? AND known <= ?", (row[0], until))
            found: int | None = early.fetchone()[0]
            return found

    def digests(self) -> list[str]:
        """The lookups that have facts."""
        with self._sentences("read"):
            rows = self._connection().execute("SELECT digest FROM lookups WHERE newest IS NOT NULL ORDER BY digest")
            return [digest for (digest,) in rows]

    def verify(self) -> None:
        """Read the whole file; StorageError says what is wrong with it, and how it is mended."""
        with self._sentences("read"):
            says = self._connection().execute("PRAGMA quick_check(1)").fetchone()[0]
        if says != "ok":
            raise self._damaged(f"The fresh values in {self.path} are not whole: {' '.join(str(says).split())}")

    def close(self) -> None:
        """Close every thread's connection; no call may be under way."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _ingest(self, connection: sqlite3.Connection, digest: str, facts: Sequence[Fact]) -> int:
        if not facts:
            return 0
        connection.execute("INSERT INTO lookups (digest) VALUES (?) ON CONFLICT DO NOTHING", (digest,))
        number = _number(connection, digest)
        versions = {(f.key, f.known): f for f in facts}
        marks = [(number, key, known) for key, known in versions]
        rows = [(number, f.key, f.known, f.entity, f.values) for f in versions.values()]
        new = connection.executemany(_INSERT, rows).rowcount
        if new < len(rows):
            connection.executemany(_REPLACE, rows)
        connection.executemany(_SUPERSEDE, marks)
        newest = max(known for _, known in versions)
        connection.execute(
            "UPDATE lookups SET newest = max(coalesce(newest, ?1), ?1) WHERE number = ?2", (newest, number)
        )
        return new

    def _number(self, digest: str) -> int:
        """The short name of a lookup in this file; 0, which none has, when it is not there yet."""
        number = _number(self._connection(), digest)
        if number:
            self._numbers[digest] = number
        return number

    def _connection(self) -> sqlite3.Connection:
        try:
            connection: sqlite3.Connection = self._local.connection
        except AttributeError:
            connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        with self._sentences("open"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                self._prepare(connection)
            except BaseException:
                connection.close()  # the next call tries again
                raise
        with self._guard:
            self._connections.append(connection)
        self._local.connection = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        kept = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if kept > FORMAT:
            raise StorageError(
                f"The fresh values in {self.path} have format {kept}, this Outlast reads up to {FORMAT}: "
                "use the Outlast that wrote them"
            )
        if kept == FORMAT:
            return
        _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
        with _writing(connection):
            if int(connection.execute("PRAGMA user_version").fetchone()[0]) == FORMAT:
                return  # another process was quicker
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _writing(self._connection()) as connection:
            yield connection

    @contextmanager
    def _sentences(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, StorageError):
                raise
            raise self._failed(doing, error) from error

    def _failed(self, doing: str, error: Exception) -> StorageError:
        says = f"Could not {doing} the fresh values in {self.path}: {error}"
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED:
            return self._damaged(says)
        return StorageError(f"{says}; see to the disk and its permissions, and to what else uses the file")

    def _damaged(self, says: str) -> DamagedFresh:
        return DamagedFresh(
            f"{says}; the file is damaged: stop what serves from it, and `outlast doctor --refill` fills another "
            "from the sources"
        )


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _reading(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, digest: str) -> int:
    row = connection.execute("SELECT number FROM lookups WHERE digest = ?", (digest,)).fetchone()
    return 0 if row is None else int(row[0])


def _patiently(act: Callable[[], T]) -> T:
    """Try while another process changes the same file: this one step does not wait for locks by itself."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return act()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
