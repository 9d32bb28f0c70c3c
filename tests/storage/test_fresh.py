"""Fresh values on SQLite: the contract suite, random histories, damage, locks, formats and killed writers."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.errors import StorageError
from outlast.storage.checks.fresh import CHECKS, Make, Remembered, fact
from outlast.storage.fresh import DamagedFresh, Fact, FreshValues, Since, Version

facts = st.builds(
    Fact,
    entity=st.sampled_from("AB"),
    key=st.sampled_from("xyz"),
    known=st.integers(0, 8),
    values=st.binary(max_size=2),
)
histories = st.lists(st.lists(facts, max_size=5), max_size=6)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FreshValues]:
    fresh = FreshValues(tmp_path / "fresh.db")
    yield fresh
    fresh.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Make], None], tmp_path: Path) -> None:
    opened = []

    def make() -> FreshValues:
        opened.append(FreshValues(tmp_path / "somewhere" / "fresh.db"))
        return opened[-1]

    check(make)
    for fresh in opened:
        fresh.close()


@settings(max_examples=60, deadline=None)
@given(histories)
def test_any_history_gives_the_answers_of_a_dict(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Fact]]
) -> None:
    expected, store = Remembered(), FreshValues(tmp_path_factory.mktemp("fresh") / "fresh.db")
    for batch in history:
        assert store.ingest("d", batch) == expected.ingest("d", batch)
    for entity in "AB":
        for before in range(10):
            assert store.latest("d", entity, before) == expected.latest("d", entity, before)
            for since in range(before):
                assert store.window("d", entity, since, before) == expected.window("d", entity, since, before)
                assert store.latest("d", entity, before, since) == expected.latest("d", entity, before, since)
    store.close()


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(0, 9))
def test_pruning_never_changes_a_later_answer(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Fact]], horizon: int
) -> None:
    expected, store = Remembered(), FreshValues(tmp_path_factory.mktemp("fresh") / "fresh.db")
    for batch in history:
        store.ingest("d", batch)
        expected.ingest("d", batch)
    gone, newest = store.prune("d", horizon), store.newest("d")
    assert store.count("d") == len(expected.facts.get("d", {})) - gone
    for entity in "AB":
        for before in range(horizon, 10):
            assert store.latest("d", entity, before) == expected.latest("d", entity, before)
            assert store.window("d", entity, horizon, before) == expected.window("d", entity, horizon, before)
    assert newest == max((known for _, known in expected.facts.get("d", {})), default=None)
    store.close()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    path.write_bytes(b"this is no database" * 1000)
    store = FreshValues(path)
    for _ in range(2):
        with pytest.raises(DamagedFresh, match=f"Could not open the fresh values in {path}: file is not a database"):
            store.latest("d", "JFK", 1)
        with pytest.raises(DamagedFresh, match="`outlast doctor --refill` fills another"):
            store.ingest("d", [fact("JFK", "a", 1)])
    path.unlink()
    assert store.ingest("d", [fact("JFK", "a", 1)]) == 1
    store.verify()
    store.close()


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    store = FreshValues(path)
    store.ingest("d", [fact("JFK", f"k{n}", n, b"v" * 500) for n in range(2000)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    again = FreshValues(path)
    with pytest.raises(StorageError, match="Could not read the fresh values"):
        again.latest("d", "JFK", 5000)
    with pytest.raises(StorageError, match="Could not read the fresh values"):
        again.window("d", "JFK", 0, 5000)
    with pytest.raises(DamagedFresh, match="damaged"):
        again.verify()
    again.close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(StorageError, match="have format 3, this Outlast reads up to 2"):
        FreshValues(path).digests()


FORMAT_1 = """
CREATE TABLE lookups (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, newest INTEGER);
CREATE TABLE facts (
    lookup INTEGER NOT NULL, entity TEXT NOT NULL, known INTEGER NOT NULL, key TEXT NOT NULL,
    superseded INTEGER, payload BLOB NOT NULL,
    PRIMARY KEY (lookup, entity, known, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX versions_of_a_key ON facts (lookup, key, known);
INSERT INTO lookups VALUES (1, 'd', 20);
INSERT INTO facts VALUES (1, 'JFK', 10, 'a', 20, x'01'), (1, 'JFK', 20, 'a', NULL, x'02');
PRAGMA user_version = 1;
"""


def test_a_file_of_format_1_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    connection = sqlite3.connect(path)
    connection.executescript(FORMAT_1)
    connection.close()
    store = FreshValues(path)
    assert store.window("d", "JFK", 0, 20) == [(10, "a", b"\x01")]
    (before,) = store.read_many([Since("d", "JFK", 0)])
    assert before.facts == [Version(10, "a", b"\x01", 20), Version(20, "a", b"\x02", None)]
    store.ingest("d", [fact("JFK", "b", 15)])
    (after,) = store.read_many([Since("d", "JFK", 0)])
    assert after.mark != before.mark
    store.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Could not open the fresh values.*see to the disk"):
        FreshValues(tmp_path / "file" / "fresh.db").digests()


def test_a_lock_held_too_long_is_told(tmp_path: Path, store: FreshValues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.storage.fresh.sqlite._BUSY_SECONDS", 0.05)
    impatient = FreshValues(store.path)
    with store._transaction(), pytest.raises(StorageError, match="database is locked"):
        impatient.ingest("d", [fact("JFK", "a", 1)])
    assert impatient.ingest("d", [fact("JFK", "a", 1)]) == 1
    impatient.close()


def test_readers_do_not_wait_for_a_writer(store: FreshValues) -> None:
    store.ingest("d", [fact("JFK", "a", 1)])
    reader = FreshValues(store.path)
    with store._transaction() as connection:
        connection.execute("DELETE FROM facts")
        assert reader.latest("d", "JFK", 2) == (1, "a", b"JFK/a/1")
    assert reader.latest("d", "JFK", 2) is None
    reader.close()


START = """
import sys
from pathlib import Path
from outlast.storage.fresh import Fact, FreshValues
store = FreshValues(Path(sys.argv[1]))
print(store.ingest("d", [Fact("all", sys.argv[2], 1, b"")]))
"""


def test_processes_can_begin_the_same_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(path), str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(4)
    ]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (out.strip(), err) == (b"1", b"")
    store = FreshValues(path)
    assert store.count("d") == 4
    store.close()


WRITER = """
import sys
from pathlib import Path
from outlast.storage.fresh import Fact, FreshValues
store = FreshValues(Path(sys.argv[1]))
for n in range(1_000_000):
    store.ingest("d", [Fact(f"e{i}", f"k{i}", n, b"%d" % n) for i in range(50)])
    print(n, flush=True)
"""


def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    for run in range(5):
        path = tmp_path / f"{run}.db"
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3 + 7 * run)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        done = max(int(line) for line in lines if line.strip())
        store = FreshValues(path)
        newest = store.newest("d")
        assert newest in (done, done + 1)
        assert store.count("d") == 50 * (newest + 1)
        assert {store.latest("d", f"e{i}", 10**9) for i in range(50)} == {
            (newest, f"k{i}", b"%d" % newest) for i in range(50)
        }
        store.close()
