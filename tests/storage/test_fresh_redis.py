"""Fresh values on Redis: the contract suite, random histories, one trip, and every way in which Redis is not there."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.errors import StorageError
from outlast.storage.checks.fresh import CHECKS, Make, Remembered, fact
from outlast.storage.fresh import Fact, FreshStore, Latest, open_fresh
from outlast.storage.fresh.redis import RedisFresh

facts = st.builds(
    Fact,
    entity=st.sampled_from("AB"),
    key=st.sampled_from(["x", "x\x00", "y"]),
    known=st.integers(-4, 4),
    values=st.binary(max_size=2),
)
histories = st.lists(st.lists(facts, max_size=5), max_size=6)


RunRedis = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisFresh]:
    fresh = RedisFresh(redis_url, uuid4().hex)
    yield fresh
    fresh.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Make], None], redis_url: str) -> None:
    opened: list[FreshStore] = []
    namespace = uuid4().hex

    def make() -> FreshStore:
        opened.append(open_fresh(redis_url, namespace))
        return opened[-1]

    check(make)
    for fresh in opened:
        fresh.close()


@settings(max_examples=25, deadline=None)
@given(histories, st.integers(-4, 5))
def test_any_history_gives_the_answers_of_a_dict_before_and_after_pruning(
    redis_url: str, history: list[list[Fact]], horizon: int
) -> None:
    expected, store = Remembered(), RedisFresh(redis_url, uuid4().hex)
    for batch in history:
        assert store.ingest("d", batch) == expected.ingest("d", batch)
    known = [known for _, known in expected.facts.get("d", {})]
    assert [store.newest("d", until) for until in range(-5, 5)] == [
        max((one for one in known if one <= until), default=None) for until in range(-5, 5)
    ]
    for first in (-5, horizon):
        for entity in "AB":
            for before in range(first, 6):
                assert store.latest("d", entity, before) == expected.latest("d", entity, before)
                assert store.window("d", entity, first, before) == expected.window("d", entity, first, before)
        if first < horizon:
            gone = store.prune("d", horizon)
            assert store.count("d") == len(known) - gone
            assert store.prune("d", horizon) == 0
    store.close()


def test_workspaces_share_a_redis_and_see_nothing_of_each_other(redis_url: str) -> None:
    ours, theirs = RedisFresh(redis_url, "shop:dev"), RedisFresh(redis_url, "shop:production")
    ours.ingest("d", [fact("JFK", "a", 1)])
    assert (theirs.latest("d", "JFK", 2), theirs.digests()) == (None, [])
    ours.drop("d")
    assert (ours.count("d"), ours.digests()) == (0, [])
    ours.close()
    theirs.close()


def test_a_hundred_keys_are_one_trip(store: RedisFresh) -> None:
    store.ingest("d", [fact(f"e{n}", f"k{n}", n) for n in range(100)])
    asked = [Latest("d", f"e{n}", 1000) for n in range(100)]
    store.read_many(asked)
    before = reads(store)
    assert None not in store.read_many(asked)
    assert reads(store) - before < 10, "a trip is read in parts of 16 KB"


def reads(store: RedisFresh) -> int:
    """How often the server read from a socket."""
    return int(store._reader.info("stats")["total_reads_processed"])


def test_the_client_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StorageError, match=r"not installed: pip install 'outlast\[redis\]'"):
        RedisFresh("redis://nowhere.example:1").digests()


def test_an_address_of_another_kind_is_told() -> None:
    with pytest.raises(StorageError, match="cannot be kept at a 'memcached://' address: expected a file's path"):
        open_fresh("memcached://cache")


def test_a_redis_that_is_down_is_told_without_its_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        store = RedisFresh(f"redis://me:secret@127.0.0.1:{taken.getsockname()[1]}/0")
        for act in (store.digests, lambda: store.ingest("d", [fact("JFK", "a", 1)])):
            with pytest.raises(StorageError, match="see that it runs and can be reached") as told:
                act()
            assert "secret" not in str(told.value)
        store.close()


def test_a_redis_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.storage.fresh.redis._ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisFresh(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with pytest.raises(StorageError, match="it answers too slowly"):
            store.latest("d", "JFK", 1)
        begin = time.perf_counter()
        for _ in range(100):
            with pytest.raises(StorageError, match="it answers too slowly"):
                store.latest("d", "JFK", 1)
        assert time.perf_counter() - begin < 0.5
        store.close()


def test_it_goes_on_when_redis_is_back(run_redis: RunRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.storage.fresh.redis._REST_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = RedisFresh(f"redis://127.0.0.1:{port}/0")
    for _ in range(2):
        with run_redis("--port", str(port)):
            assert store.ingest("d", [fact("JFK", "a", 1)]) == 1
            assert store.latest("d", "JFK", 2) == (1, "a", b"JFK/a/1")
        with pytest.raises(StorageError, match=r"Could not read the fresh values in redis://127\.0\.0\.1"):
            store.latest("d", "JFK", 2)
    store.close()


def test_a_wrong_password_is_told(run_redis: RunRedis) -> None:
    with run_redis("--requirepass", "right") as url:
        for address in (url, url.replace("unix://", "unix://:wrong@")):
            store = RedisFresh(address)
            with pytest.raises(StorageError, match=f"fresh values in {url}: .*give its user and password") as told:
                store.digests()
            assert "wrong@" not in str(told.value)
            store.close()
        store = RedisFresh(url.replace("unix://", "unix://:right@"))
        assert store.digests() == []
        store.close()


def test_a_full_redis_takes_nothing_and_goes_on_reading(run_redis: RunRedis) -> None:
    with run_redis("--maxmemory", "4mb") as url:
        store, taken = RedisFresh(url), 0
        store.verify()

        def take() -> None:
            nonlocal taken
            for batch in range(100):
                store.ingest("d", [fact(f"e{batch}", f"k{batch}-{n}", n, b"v" * 1000) for n in range(200)])
                taken += 200

        with pytest.raises(StorageError, match="its memory is full: raise maxmemory"):
            take()
        assert taken
        assert store.count("d") == taken
        assert store.latest("d", "e0", 1000) == (199, "k0-199", b"v" * 1000)
        store.close()


def test_a_redis_that_throws_facts_away_is_told(run_redis: RunRedis) -> None:
    with run_redis("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru") as url:
        store = RedisFresh(url)
        with pytest.raises(StorageError, match="set its maxmemory-policy to noeviction"):
            store.verify()
        store.close()


def test_facts_outlive_a_killed_redis_that_appends(run_redis: RunRedis, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always", "--dir", str(tmp_path))
    with run_redis(*options) as url:
        store = RedisFresh(url)
        store.ingest("d", [fact("JFK", "a", 1), fact("LGA", "a", 2)])
        store.close()
    with run_redis(*options) as url:
        store = RedisFresh(url)
        assert (store.latest("d", "JFK", 3), store.latest("d", "LGA", 3)) == (None, (2, "a", b"LGA/a/2"))
        store.close()


def test_readers_never_see_half_of_what_comes(store: RedisFresh, redis_url: str) -> None:
    stop, wrong = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            found = store.read_many([Latest("d", "JFK", 10**6), Latest("e", "JFK", 10**6)])
            if found[0] is not None and (found[1] is None or found[1][0] < found[0][0]):
                wrong.append(found)

    reader = threading.Thread(target=look)
    reader.start()
    writer = RedisFresh(redis_url, store._names.decode().split(":")[1])
    for n in range(200):
        writer.ingest_many([("d", [fact("JFK", f"k{n}", n)]), ("e", [fact("JFK", f"k{n}", n)])])
    stop.set()
    reader.join()
    writer.close()
    assert wrong == []
