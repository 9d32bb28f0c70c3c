"""Windows online over many facts: held in memory, bit-equal to the written arithmetic whatever comes in between."""

import math
import random
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast import Source, latest, window
from outlast.bundle.ingest import update
from outlast.features.arithmetic import OPERATIONS
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.held import Held, Plan
from outlast.features.online import _decoder, _plan, read_all, reader
from outlast.storage.fresh import FreshStore, Version, open_fresh
from outlast.types import micros

START = datetime(2026, 1, 1, tzinfo=UTC)
SALES = Source("sales", "unused.parquet", key="id", time="at")
SCHEMA = {
    "id": pl.Int64(),
    "shop": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "amount": pl.Float64(),
    "n": pl.Int64(),
}
AMOUNT, N = pl.col("amount"), pl.col("n")
OUTPUTS = {
    "total": AMOUNT.sum(), "average": AMOUNT.mean(), "there": AMOUNT.count(), "rows": pl.len(), "least": AMOUNT.min(),
    "most": AMOUNT.max(), "spread": AMOUNT.std(), "whole": N.sum(), "first": N.first(), "newest": N.last(),
    "kinds": N.n_unique(), "middle": AMOUNT.median(),
    "few": AMOUNT.filter(N > 4).sum(), "even": N.filter(N % 2 == 0, AMOUNT / 3 < 60).mean(), "range": N.max() - N.min(),
}  # fmt: skip
numbers = st.one_of(
    st.none(), st.floats(width=64), st.floats(-1e6, 1e6), st.integers(-400, 400).map(lambda n: n / 4), st.just(-0.0)
)


def bits(value: Any) -> Any:
    """A value by its bits, every NaN alike."""
    if not isinstance(value, float):
        return value
    return "NaN" if math.isnan(value) else struct.pack("<d", value)


def lookup(**span: Any) -> CompiledLookup:
    return compile_lookup(window(SALES, by="shop", **(span or {"over": ["1h", "7d"]}), **OUTPUTS), SCHEMA)


def plainly(compiled: CompiledLookup, store: FreshStore, entity: str, at: int) -> list[Any]:
    """Each window read from the store, and the arithmetic over all of it."""
    found, spans = [], {}
    for output in compiled.outputs:
        plan = _plan(compiled, output)
        since = -(2**63) if plan.width is None else at - plan.width
        if since not in spans:
            spans[since] = _decoder(compiled)([one[2] for one in store.window(compiled.digest, entity, since, at)])
        rows = spans[since]
        rows = rows if plan.rows is None else rows[-plan.rows :]
        measures = len(compiled.measures) + len(compiled.derived)
        columns = [[row[place] for row in rows] for place in range(measures)]
        found.append(plan.compute(columns if plan.measure is None else columns[plan.measure]))
    return found


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FreshStore]:
    address = tmp_path / "fresh.db" if request.param == "sqlite" else request.getfixturevalue("redis_url")
    opened = open_fresh(address, uuid4().hex)
    yield opened
    opened.close()


def decode(values: Sequence[bytes]) -> list[list[Any]]:
    return [msgspec.msgpack.decode(one) for one in values]


def frame(rows: list[tuple[int, str, datetime, float | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@settings(max_examples=60)
@given(st.lists(numbers, max_size=700), st.data())
def test_sums_and_extremes_have_the_bits_of_the_arithmetic(values: list[float | None], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    facts = [Version(n, "k", msgspec.msgpack.encode([value]), None) for n, value in enumerate(values)]
    plans = [Plan(10_000, name, 0, compute) for name, compute in OPERATIONS.items() if name in SHORT]
    narrow = [Plan(data.draw(st.integers(0, 300)), one.operation, 0, one.compute) for one in plans]
    held = Held(0, "", decode).grow(facts[:cut])
    held.values(plans, cut)
    held.grow(facts)
    for at in (len(values), len(values) // 2):
        for given_, plan in zip(held.values([*plans, *narrow], at), [*plans, *narrow], strict=True):
            inside = values[max(0, at - plan.width) : at]
            assert bits(given_) == bits(plan.compute(inside)), plan.operation


SHORT = {"sum", "mean", "count", "len", "min", "max", "first", "last"}


def test_whole_numbers_stay_whole_and_say_when_they_are_beyond_64_bits() -> None:
    facts = [Version(n, "k", msgspec.msgpack.encode([2**53 + n]), None) for n in range(200)]
    held, plan = Held(0, "", decode).grow(facts), Plan(1000, "sum", 0, OPERATIONS["sum"])
    assert held.values([plan], 200) == [sum(2**53 + n for n in range(200))]
    held.grow([Version(n, "k", msgspec.msgpack.encode([2**62]), None) for n in range(200, 210)])
    with pytest.raises(Exception, match="beyond 64 bits"):
        held.values([plan], 1000)


SPANS: list[dict[str, Any]] = [
    {"over": ["1h", "7d"]},
    {"last": [1, 20]},
    {"last": [10, 300]},
    {"last": [3, 5000], "max_age": "5d"},
    {"over": ["1h", "7d"], "last": [5, 300]},
    {"over": "1h", "last": 2000},
]


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_a_long_window_follows_whatever_comes_in(store: FreshStore, span: dict[str, Any]) -> None:
    chance, compiled = random.Random(7), lookup(**span)
    kept = reader(compiled, store)
    now = START + timedelta(days=20)
    history = [
        (n, "a", now - timedelta(seconds=chance.randrange(900_000)), chance.gauss(0, 1e3), chance.randrange(9))
        for n in range(800)
    ]
    update(store, [compiled], frame(history))
    seen = []
    for step in range(25):
        at = micros(now + timedelta(seconds=step))
        found = kept("a", at)
        assert list(map(bits, found)) == list(map(bits, plainly(compiled, store, "a", at))), step
        seen.append(found)
        update(store, [compiled], frame([arrival(step, history, now, chance)]))
    assert len({tuple(map(bits, one)) for one in seen}) > 10
    late = micros(now - timedelta(days=1))
    assert list(map(bits, kept("a", late))) == list(map(bits, plainly(compiled, store, "a", late)))


def arrival(step: int, history: list[Any], now: datetime, chance: random.Random) -> tuple[Any, ...]:
    """A new fact, one that comes late, another value of one, a correction, or one that moves to another shop."""
    moment, some = now + timedelta(seconds=step), history[chance.randrange(len(history))]
    amount = None if step % 7 == 0 else math.nan if step == 23 else chance.random()
    return [
        (10_000 + step, "a", moment, amount, step),
        (10_000 + step, "a", moment - timedelta(hours=3), amount, step),
        (some[0], "a", some[2], amount, step),
        (some[0], "a", moment, amount, step),
        (some[0], "b", moment, amount, step),
    ][step % 5]


def test_what_nothing_changed_about_is_not_read_again(store: FreshStore, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, now = lookup(), START + timedelta(days=8)
    update(store, [compiled], frame([(n, "a", now - timedelta(minutes=n), 1.5, n) for n in range(500)]))
    kept, asked = reader(compiled, store), []
    several = store.read_many
    monkeypatch.setattr(store, "read_many", lambda requests: asked.append(several(requests)) or asked[-1])
    kept("a", micros(now))
    update(store, [compiled], frame([(900, "a", now, 1.5, 1)]))
    found = kept("a", micros(now + timedelta(seconds=1)))
    assert found[0] == 1.5 * 61
    assert [len(grown.facts) for (grown,) in asked] == [499, 2], "what is known by the moment, then what came since"


def test_only_as_many_facts_are_read_as_count(store: FreshStore, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, now = lookup(last=[3, 100]), START + timedelta(days=8)
    update(store, [compiled], frame([(n, "a", now - timedelta(minutes=n), 1.5, n) for n in range(500)]))
    kept, asked = reader(compiled, store), []
    several = store.read_many
    monkeypatch.setattr(store, "read_many", lambda requests: asked.append(several(requests)) or asked[-1])
    assert kept("a", micros(now))[:2] == [1.5 * 3, 1.5 * 100]
    update(store, [compiled], frame([(900, "a", now, 2.5, 1)]))
    assert kept("a", micros(now + timedelta(seconds=1)))[:2] == [2.5 + 1.5 * 2, 2.5 + 1.5 * 99]
    assert [len(grown.facts) for (grown,) in asked] == [100, 2], "so many, then what came since"


def test_a_question_about_the_past_neither_reads_nor_forgets_what_came_after(
    store: FreshStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, now = lookup(), START + timedelta(days=30)
    update(store, [compiled], frame([(n, "a", now - timedelta(hours=n), 1.5, n) for n in range(1, 700)]))
    kept, asked = reader(compiled, store), []
    several = store.read_many
    monkeypatch.setattr(store, "read_many", lambda requests: asked.append(several(requests)) or asked[-1])
    kept("a", micros(now))
    then = micros(now - timedelta(days=21))
    assert list(map(bits, kept("a", then))) == list(map(bits, plainly(compiled, store, "a", then)))
    kept("a", micros(now))
    first, past, again = (len(grown.facts) for (grown,) in [asked[0], asked[1], asked[-1]])
    assert past <= first, "facts of one window and a little more"
    assert again == 0, "those about now were kept"


def test_all_lookups_of_a_row_are_one_trip(store: FreshStore, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = latest(SALES, "amount", by="shop", max_age="3h")
    both = [lookup(), compile_lookup(newest, SCHEMA)]
    update(store, both, frame([(n, "a", START + timedelta(minutes=n), float(n), n) for n in range(5)]))
    trips, several = [], store.read_many
    monkeypatch.setattr(store, "read_many", lambda requests: trips.append(len(requests)) or several(requests))
    at = micros(START + timedelta(minutes=4))
    readers = [reader(one, store) for one in both]
    found = read_all(store, [(one, shop, at) for shop in ("a", None, "b") for one in readers])
    assert trips == [4]
    assert [row[:1] for row in found] == [[6.0], [3.0], [None], [None], [0], [None]]


def test_what_is_kept_in_memory_has_an_end(store: FreshStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.features.online._MOST", 250)
    compiled, now = lookup(), START + timedelta(days=8)
    rows = [(n, "abcd"[n % 4], now - timedelta(minutes=n), 1.0, n) for n in range(400)]
    update(store, [compiled], frame(rows))
    kept = reader(compiled, store)
    for _ in range(3):
        assert {shop: kept(shop, micros(now + timedelta(seconds=1)))[1] for shop in "abcd"} == dict.fromkeys(
            "abcd", 100.0
        )
    assert len(kept._held) == 2  # type: ignore[attr-defined]
