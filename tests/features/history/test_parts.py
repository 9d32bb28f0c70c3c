"""A history in parts gives what the whole gives, bit for bit, in any process."""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast import Source, latest, window
from outlast.engines import Engine, Local
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.facts import RETRACTED, instants
from outlast.features.history import parts
from outlast.features.history.parts import in_parts, parts_needed
from outlast.features.offline import at_once, look_up

START = datetime(2026, 1, 1, tzinfo=UTC)
SALES = Source("sales", "sales.parquet", key="id", time="at", lag="1m")
SCHEMA = {
    "id": pl.Int64(),
    "shop": pl.String(),
    "till": pl.Int64(),
    "at": pl.Datetime("us", "UTC"),
    "amount": pl.Float64(),
    RETRACTED: pl.Boolean(),
}
X = pl.col("amount")
LOOKUPS = {
    "window": window(SALES, by=["shop", "till"], over=["1h", "2d"], n=pl.len(), x=X.sum(), s=X.std(), m=X.median()),
    "latest": latest(SALES, "amount", by="shop"),
    "bounded": latest(SALES, "amount", by="till", max_age="1h"),
}
facts = st.tuples(
    st.integers(0, 12), st.sampled_from(["a", "b", "ü", "", None]), st.integers(-2, 2) | st.none(),
    st.integers(0, 5000), st.floats(-1e9, 1e9) | st.just(float("nan")) | st.none(), st.booleans(),
)  # fmt: skip
asks = st.tuples(st.sampled_from(["a", "b", "ü", "", "z", None]), st.integers(-2, 3) | st.none(), st.integers(0, 6000))


def told(rows: list[Any]) -> pl.LazyFrame:
    moved = [(key, shop, till, START + timedelta(minutes=m), x, gone) for key, shop, till, m, x, gone in rows]
    return pl.DataFrame(moved, schema=SCHEMA, orient="row").lazy()


def asked(rows: list[Any]) -> tuple[pl.DataFrame, pl.Series]:
    moved = [(shop, till, START + timedelta(minutes=m)) for shop, till, m in rows]
    frame = pl.DataFrame(moved, schema={name: SCHEMA[name] for name in ("shop", "till", "at")}, orient="row")
    return frame, frame.select(instants("at"))["at"]


@settings(max_examples=25)
@given(st.lists(facts, max_size=40), st.lists(asks, max_size=12), st.integers(2, 5), st.sampled_from(sorted(LOOKUPS)))
def test_parts_give_the_bits_of_the_whole(rows: list[Any], wanted: list[Any], count: int, name: str) -> None:
    compiled = compile_lookup(LOOKUPS[name], SCHEMA)
    whole = at_once(compiled, told(rows), *asked(wanted))
    found = in_parts(compiled, told(rows), *asked(wanted), (at_once, count, Local()))
    assert found.schema == whole.schema
    assert found.equals(whole, null_equal=True), (found, whole)


class Apart:
    """An engine of other processes, as a cluster would be one."""

    memory = 2**20

    def whole(self, work: Callable[[Any], Any], wanted: Iterable[Any]) -> list[Any]:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            return list(pool.map(work, wanted))


def many(count: int) -> pl.DataFrame:
    chance = random.Random(3)
    rows = [
        (chance.randrange(count), f"shop {chance.randrange(500)}", 1, n, chance.gauss(0, 1e3), False)
        for n in range(count)
    ]
    return told(rows).collect()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "sales.parquet"
    many(30_000).write_parquet(path)
    return path


def compiled_latest() -> CompiledLookup:
    return compile_lookup(LOOKUPS["latest"], SCHEMA)


def test_the_same_kernel_runs_in_other_processes(history: Path) -> None:
    compiled, source = compiled_latest(), pl.scan_parquet(history)
    wanted = asked([(f"shop {n}", 1, 40 * n) for n in range(600)])
    engine: Engine = Apart()
    count = parts_needed(compiled, source, engine)
    assert count > 2, "more than fits into its memory"
    found = look_up(compiled, source, *wanted, engine=engine)
    assert found.equals(at_once(compiled, source, *wanted), null_equal=True)
    assert found.null_count().item() < 300


def test_what_fits_into_memory_is_read_once(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "facts_of_part", lambda *_, **__: pytest.fail("was divided"))
    compiled, source = compiled_latest(), pl.scan_parquet(history)
    assert parts_needed(compiled, source, Local()) == 1
    assert look_up(compiled, source, *asked([("shop 1", 1, 40_000)]), engine=Local()).height == 1


def test_a_part_holds_its_share_of_the_facts(history: Path) -> None:
    compiled, source = compiled_latest(), pl.scan_parquet(history)
    sizes = [parts.facts_of_part(compiled, source, (number, 6), corrected=True).collect().height for number in range(6)]
    assert sum(sizes) >= 30_000
    assert max(sizes) < 30_000 / 2, "versions that moved to another shop come along, and nothing else"


def test_without_questions_or_facts_there_is_nothing(history: Path) -> None:
    compiled = compiled_latest()
    assert in_parts(compiled, pl.scan_parquet(history), *asked([]), (at_once, 3, Local())).height == 0
    empty = told([])
    assert parts_needed(compiled, empty, Local(2**20)) == 1
    found = in_parts(compiled, empty, *asked([("a", 1, 5)]), (at_once, 3, Local()))
    assert found.to_dicts() == [{"amount": None}]
