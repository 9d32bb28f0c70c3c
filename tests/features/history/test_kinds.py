"""Histories of every kind of key and entity, corrected and withdrawn, against the store of fresh values."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from outlast.features.compiled import compile_lookup
from outlast.features.facts import RETRACTED, instants
from outlast.features.history import windows as windows_module
from outlast.features.offline import look_up
from outlast.features.online import entities_of, frame_of, reader, to_store
from outlast.project.declare import Lookup, Source, latest, window
from outlast.storage.fresh import FreshValues

START = datetime(2013, 3, 10, 5, tzinfo=UTC)
FACTS, ASKS = 300, 60
ENTITIES: dict[str, Any] = {
    "whole numbers close together": lambda rng, n: {"who": rng.integers(0, 12, n)},
    "whole numbers far apart": lambda rng, n: {"who": rng.choice([-(2**62), 0, 2**53, 2**53 + 1], n)},
    "text": lambda rng, n: {"who": rng.choice(["N1", "Ñ2", "", "10", "9"], n).tolist()},
    "two whole numbers": lambda rng, n: {"who": rng.integers(0, 3, n), "where": rng.integers(-2, 2, n)},
    "text and a number": lambda rng, n: {"who": rng.choice(["a", "b"], n).tolist(), "where": rng.integers(8, 12, n)},
    "two texts": lambda rng, n: {
        "who": rng.choice(["a", "b"], n).tolist(),
        "where": rng.choice(["c", "d"], n).tolist(),
    },
    "days": lambda rng, n: {"who": [date(2013, 1, 1 + int(d)) for d in rng.integers(0, 5, n)]},
    "floats": lambda rng, n: {"who": rng.choice([0.5, 1.0, 1e30], n)},
}
KEYS: dict[str, Any] = {
    "growing": lambda rng, n: {"id": np.arange(n)},
    "whole numbers out of order": lambda rng, n: {"id": rng.permutation(n)},
    "text": lambda rng, n: {"id": [f"k{i}" for i in rng.permutation(n)]},
    "corrected": lambda rng, n: {"id": rng.integers(0, n // 3, n)},
    "corrected text, some of it missing": lambda rng, n: {
        "id": [None if i == 0 else f"k{i}" for i in rng.integers(0, n // 3, n)]
    },
    "two parts": lambda rng, n: {"id": rng.integers(0, 9, n), "part": rng.choice(["x", "y"], n).tolist()},
}
AGGREGATES = {
    "total": pl.col("x").sum(),
    "mean": pl.col("x").mean(),
    "std": pl.col("x").std(),
    "var0": pl.col("x").var(ddof=0),
    "median": pl.col("x").median(),
    "upper": pl.col("n").quantile(0.9, "linear"),
    "nearest": pl.col("x").quantile(0.25),
    "lower": pl.col("n").quantile(0.4, "lower"),
    "midpoint": pl.col("n").quantile(0.3, "midpoint"),
    "low": pl.col("x").min(),
    "high": pl.col("x").max(),
    "least": pl.col("n").min(),
    "whole": pl.col("n").sum(),
    "share": (pl.col("n") > 1).mean(),
    "many": pl.len(),
    "some": pl.col("x").count(),
    "kinds": pl.col("word").n_unique(),
    "values": pl.col("x").n_unique(),
    "word": pl.col("word").max(),
    "oldest": pl.col("word").first(),
    "newest": pl.col("seen").last(),
    "storms": pl.col("x").filter(pl.col("word") == "storm").sum(),
    "spread": pl.col("n").filter(pl.col("x") / 3 < 1).std(),
    "latest": pl.col("seen").filter(pl.col("n") > 0).max(),
    "after": pl.col("word").filter(pl.col("n") > 0, pl.col("x").is_not_null()).min(),
}


HOLED = ("who", "x", "n", "word", "happened")


def facts(entity: str, key: str, *, minutes: int, withdrawn: bool) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    at = [START + timedelta(minutes=int(m)) for m in rng.integers(0, minutes, FACTS)]
    columns = {**ENTITIES[entity](rng, FACTS), **KEYS[key](rng, FACTS), "at": at, "seen": at}
    columns["x"] = rng.choice([1e16, 0.1, -1e16, 1.0, np.nan, -0.0], FACTS)
    columns["n"] = rng.integers(-4, 5, FACTS)
    late = rng.integers(-9, 40, FACTS)
    columns["happened"] = [moment - timedelta(minutes=int(m)) for moment, m in zip(at, late, strict=True)]
    columns["word"] = rng.choice(["storm", "crew"], FACTS).tolist()
    frame = pl.DataFrame(columns)
    holes = [pl.when(pl.Series(rng.random(FACTS) > 0.1)).then(name).alias(name) for name in HOLED]
    frame = frame.with_columns(holes)
    return frame.with_columns(pl.Series(RETRACTED, rng.random(FACTS) < 0.1)) if withdrawn else frame


def asks(entity: str, *, minutes: int) -> pl.DataFrame:
    rng = np.random.default_rng(6)
    at = [START + timedelta(minutes=int(m)) for m in rng.integers(-5, minutes + 5, ASKS)]
    frame = pl.DataFrame({**ENTITIES[entity](rng, ASKS), "t": at})
    return frame.with_columns(pl.when(pl.Series(rng.random(ASKS) > 0.1)).then("who").alias("who"))


def lookups(names: dict[str, Any], keys: list[str]) -> list[Lookup]:
    source = Source("facts", "facts.parquet", key=keys, time="at", lag="1m")
    return [
        latest(source, "x", "word", "seen", by=list(names)),
        latest(source, "n", by=list(names), max_age="9m"),
        window(source, by=list(names), over=["5m", "1h"], **AGGREGATES),
        window(source, by=list(names), last=[1, 7, 1000], **AGGREGATES),
        window(source, by=list(names), over="5m", last=4, max_age="40m", **AGGREGATES),
        window(replace(source, event="happened"), by=list(names), over="9m", last=4, max_age="1h", **AGGREGATES),
        latest(replace(source, event="happened"), "x", "word", "seen", by=list(names), max_age="30m"),
    ]


def online(lookup: Any, frame: pl.DataFrame, questions: pl.DataFrame, store: FreshValues) -> pl.DataFrame:
    store.ingest(lookup.digest, to_store(lookup, frame))
    read = reader(lookup, store)
    moments = questions.select(instants("t"))["t"].to_list()
    rows = [read(entity, at) for entity, at in zip(entities_of(lookup, questions), moments, strict=True)]
    return frame_of(lookup.schema, rows)


def prove(entity: str, key: str, folder: Path, *, minutes: int, withdrawn: bool = False) -> None:
    frame, questions = facts(entity, key, minutes=minutes, withdrawn=withdrawn), asks(entity, minutes=minutes)
    rng = np.random.default_rng(0)
    schema = {name: dtype for name, dtype in frame.schema.items() if name != RETRACTED}
    store = FreshValues(folder / "fresh.db")
    for lookup in lookups(ENTITIES[entity](rng, 1), list(KEYS[key](rng, FACTS))):
        compiled = compile_lookup(lookup, schema)
        offline = look_up(compiled, frame.lazy(), questions, questions.select(instants("t"))["t"])
        expected = online(compiled, frame, questions, store)
        for name in expected.columns:
            assert offline[name].equals(expected[name], null_equal=True), (name, offline[name], expected[name])
    store.close()


def pairs() -> list[Any]:
    """Every kind of entity with every third kind of key; the others go with `make long`."""
    both = product(enumerate(ENTITIES), enumerate(KEYS))
    return [
        pytest.param(entity, key, marks=[pytest.mark.slow] if (row + column) % 3 else [])
        for (row, entity), (column, key) in both
    ]


@pytest.mark.parametrize(("entity", "key"), pairs())
def test_entities_and_keys_of_any_type_are_told_apart_as_their_texts_are(entity: str, key: str, tmp_path: Path) -> None:
    prove(entity, key, tmp_path, minutes=150)


@pytest.mark.parametrize("key", KEYS)
def test_facts_of_one_moment_come_in_the_order_of_their_keys_text(key: str, tmp_path: Path) -> None:
    prove("text", key, tmp_path, minutes=6)


@pytest.mark.parametrize("key", ["corrected", "text"])
def test_withdrawn_facts_are_gone_from_then_on(key: str, tmp_path: Path) -> None:
    prove("whole numbers close together", key, tmp_path, minutes=100, withdrawn=True)


@pytest.mark.parametrize("key", ["growing", "corrected"])
def test_windows_are_gathered_in_parts_of_bounded_size(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "AT_ONCE", 75)
    prove("whole numbers close together", key, tmp_path, minutes=150)


@pytest.mark.parametrize("count", [0, 1])
def test_histories_of_no_fact_and_of_one(count: int, tmp_path: Path) -> None:
    frame, questions = facts("text", "text", minutes=30, withdrawn=False)[:count], asks("text", minutes=30)
    store = FreshValues(tmp_path / "fresh.db")
    for lookup in lookups({"who": None}, ["id"]):
        compiled = compile_lookup(lookup, frame.schema)
        offline = look_up(compiled, frame.lazy(), questions, questions.select(instants("t"))["t"])
        assert offline.equals(online(compiled, frame, questions, store), null_equal=True)
    store.close()
