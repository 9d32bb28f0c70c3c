"""Lookups against a reference that knows nothing but the time rule."""

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlast.features.compiled import compile_lookup
from outlast.features.facts import instants
from outlast.features.offline import look_up
from outlast.features.online import entities_of, frame_of, read_all, reader, to_store
from outlast.project.declare import Lookup, Source, latest, window
from outlast.storage.fresh import FreshValues, open_fresh
from outlast.types import duration

START = datetime(2013, 3, 10, 5, tzinfo=UTC)
LAG, AGE = timedelta(minutes=3), timedelta(minutes=20)
SCHEMA = {
    "id": pl.String(),
    "tail": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "x": pl.Float64(),
    "n": pl.Int32(),
    "word": pl.String(),
    "seen": pl.Datetime("us"),
    "happened": pl.Datetime("us", "UTC"),
}
source = Source("facts", "facts.parquet", key="id", time="at", lag="3m")
dated = Source("dated", "facts.parquet", key="id", time="at", lag="3m", event="happened")
CREW = pl.col("n").filter(pl.col("word") == "crew")
AGGREGATES: dict[str, pl.Expr] = {
    "total": pl.col("x").sum(),
    "mean": pl.col("x").mean(),
    "std": pl.col("x").std(),
    "low": pl.col("x").min(),
    "high": pl.col("n").max(),
    "whole": pl.col("n").sum(),
    "many": pl.len(),
    "some": pl.col("x").count(),
    "kinds": pl.col("word").n_unique(),
    "oldest": pl.col("word").first(),
    "newest": pl.col("seen").last(),
    "share": (pl.col("n") > 1).mean(),
    "middle": pl.col("n").quantile(0.5),
    "crew_sum": CREW.sum(),
    "crew_low": pl.col("x").filter(pl.col("n") > 0).min(),
    "crew_high": pl.col("seen").filter(pl.col("x").is_not_null() & (pl.col("n") != 2)).max(),
    "crew_middle": CREW.median(),
    "crew_first": CREW.first(),
}
WINDOW = window(source, by="tail", over=["10m", "1h"], **AGGREGATES)
NEWEST = window(source, by="tail", last=[1, 3, 50], **AGGREGATES)
BOUND = window(source, by="tail", over="10m", last=[2, 5], max_age="20m", **AGGREGATES)
HAPPENED = window(dated, by="tail", over=["10m", "1h"], last=[1, 3], max_age="20m", **AGGREGATES)
HAPPENED_LAST = latest(dated, "x", "word", "seen", by="tail", max_age="20m")
LATEST = latest(source, "x", "word", "seen", by="tail", max_age="20m")
EVER = latest(source, "n", by="tail")

numbers = st.one_of(
    st.none(), st.just(math.nan), st.integers(-40, 40).map(float), st.floats(-1e17, 1e17), st.sampled_from([1e16, 0.1])
)
facts_strategy = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(["N1", "N2", None]),
        st.integers(0, 90),
        numbers,
        st.one_of(st.none(), st.integers(-3, 5)),
        st.sampled_from(["storm", "crew", None]),
        st.one_of(st.none(), st.just(0), st.integers(-15, 45)),
    ),
    max_size=25,
)
asks_strategy = st.lists(
    st.tuples(st.sampled_from(["N1", "N2", "N3", None]), st.integers(0, 100)), min_size=1, max_size=8
)


def minutes(n: int) -> datetime:
    return START + timedelta(minutes=n)


def as_frame(facts: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Facts as (key, entity, minute, x, n, word), and perhaps how many minutes before its own each happened."""
    rows = []
    for i, tail, m, x, n, word, *late in facts:
        happened = minutes(m - late[0]) if late and late[0] is not None else None
        rows.append((i, tail, minutes(m), x, n, word, minutes(m).replace(tzinfo=None), happened))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def as_asks(asks: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {"tail": pl.String(), "t": pl.Datetime("us", "UTC")}
    return pl.DataFrame([(tail, minutes(m)) for tail, m in asks], schema=schema, orient="row")


def counted(
    frame: pl.DataFrame, tail: str | None, at: datetime, width: timedelta | None, *, event: bool = False
) -> pl.DataFrame:
    """The facts that count, straight from the rule: per key the last version known before, then entity and width.

    By event time they have to have happened before, and both moments lie in the width.
    """
    if tail is None:
        return frame.clear()
    newest: dict[str, dict[str, Any]] = {}
    for row in frame.iter_rows(named=True):
        known = newest.get(row["id"])
        if row["at"] + LAG < at and (known is None or row["at"] >= known["at"]):
            newest[row["id"]] = row
    rows = [r for r in newest.values() if r["tail"] == tail and (width is None or r["at"] + LAG >= at - width)]
    rows.sort(key=lambda r: (r["at"], r["id"]))
    if event:
        moments = {id(r): r["happened"] or r["at"] + LAG for r in rows}
        rows = [r for r in rows if moments[id(r)] < at and (width is None or moments[id(r)] >= at - width)]
        rows.sort(key=lambda r: moments[id(r)])
    return pl.DataFrame(rows, schema=frame.schema)


def exact_sum(values: list[float]) -> float:
    return math.nan if any(math.isnan(v) for v in values) else math.fsum(values)


def reference(lookup: Lookup, frame: pl.DataFrame, tail: str | None, at: datetime) -> dict[str, Any]:
    event = lookup.source.event is not None
    if lookup.kind == "latest":
        width = AGE if lookup.max_age else None
        rows = counted(frame, tail, at, width, event=event).rows(named=True)
        return {name: rows[-1][name] if rows else None for name in lookup.names}
    answer: dict[str, Any] = {}
    age = AGE if lookup.max_age else None
    spans = [
        *((width, duration(width), None) for width in lookup.widths),
        *((f"last{n}", age, n) for n in lookup.lasts),
    ]
    for span, length, most in spans:
        rows = counted(frame, tail, at, length, event=event)
        rows = rows if most is None else rows.tail(most)
        values = rows.select(**AGGREGATES).row(0, named=True)
        xs = rows["x"].drop_nulls().to_list()
        values["total"], values["mean"] = exact_sum(xs), (exact_sum(xs) / len(xs) if xs else None)
        if len(xs) > 1:
            m = values["mean"]
            values["std"] = math.sqrt(exact_sum([(x - m) * (x - m) for x in xs]) / (len(xs) - 1))
        answer.update({f"{name}_{span}": None if tail is None else v for name, v in values.items()})
    return answer


def same(got: Any, expected: Any) -> bool:
    if isinstance(got, float) and isinstance(expected, float) and math.isnan(got):
        return math.isnan(expected)
    return got == expected


def agree(lookup: Lookup, got: pl.DataFrame, frame: pl.DataFrame, asks: list[tuple[Any, ...]]) -> None:
    for row, (tail, m) in zip(got.iter_rows(named=True), asks, strict=True):
        expected = reference(lookup, frame, tail, minutes(m))
        for name in lookup.names:
            assert same(row[name], expected[name]), (name, tail, m, row[name], expected[name])


@pytest.fixture(
    params=[WINDOW, NEWEST, BOUND, LATEST, EVER, HAPPENED, HAPPENED_LAST],
    ids=["window", "so many", "so many with max_age", "latest with max_age", "latest", "by event", "latest by event"],
)
def lookup(request: pytest.FixtureRequest) -> Lookup:
    return request.param


relaxed = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(facts=facts_strategy, asks=asks_strategy)
def test_a_history_is_looked_up_as_the_time_rule_says(lookup: Lookup, facts: Any, asks: Any) -> None:
    frame, questions = as_frame(facts), as_asks(asks)
    got = look_up(compile_lookup(lookup, SCHEMA), frame.lazy(), questions, questions.select(instants("t"))["t"])
    assert got.height == len(asks)
    agree(lookup, got, frame, asks)


@settings(relaxed, max_examples=10)
@given(facts=facts_strategy, asks=asks_strategy, cut=st.integers(0, 25))
def test_both_stores_of_fresh_values_give_the_bits_of_the_history(
    redis_url: str, tmp_path: Path, lookup: Lookup, facts: Any, asks: Any, cut: int
) -> None:
    frame, questions = as_frame(facts), as_asks(asks)
    compiled = compile_lookup(lookup, SCHEMA)
    moments = questions.select(instants("t"))["t"]
    offline = look_up(compiled, frame.lazy(), questions, moments)
    for address in (str(tmp_path / "fresh.db"), redis_url):
        store = open_fresh(address, uuid4().hex)
        store.drop(compiled.digest)
        for part in (frame[:cut], frame[cut:], frame[cut:]):
            store.ingest(compiled.digest, to_store(compiled, part))
        read = reader(compiled, store)
        asked = [(read, one, at) for one, at in zip(entities_of(compiled, questions), moments, strict=True)]
        online = frame_of(compiled.schema, [read(entity, at) for _, entity, at in asked])
        assert online.schema == offline.schema
        assert online.equals(offline, null_equal=True), (online, offline)
        assert frame_of(compiled.schema, read_all(store, asked)).equals(online, null_equal=True)
        store.close()
    alone = [look_up(compiled, frame.lazy(), row, row.select(instants("t"))["t"]) for row in questions.iter_slices(1)]
    assert pl.concat(alone).equals(offline, null_equal=True)


def test_a_fact_known_at_the_very_moment_of_the_decision_does_not_count() -> None:
    frame, questions = as_frame([("a", "N1", 10, 1.0, 1, "crew")]), as_asks([("N1", 13), ("N1", 14)])
    got = look_up(compile_lookup(EVER, SCHEMA), frame.lazy(), questions, questions.select(instants("t"))["t"])
    assert got["n"].to_list() == [None, 1]


def test_the_far_edge_of_a_window_counts() -> None:
    frame, questions = as_frame([("a", "N1", 10, 1.0, 1, "crew")]), as_asks([("N1", 23), ("N1", 24)])
    lookup = window(source, by="tail", over="10m", many=pl.len())
    got = look_up(compile_lookup(lookup, SCHEMA), frame.lazy(), questions, questions.select(instants("t"))["t"])
    assert got["many_10m"].to_list() == [1, 0]


def test_a_fact_without_a_value_takes_its_place_among_the_newest() -> None:
    values = [1.0, 2.0, None, 4.0, None]
    frame = as_frame([(key, "N1", 10, x, 1, "crew") for key, x in zip("abcde", values, strict=True)])
    lookup = window(source, by="tail", last=[2, 3, 4], total=pl.col("x").sum(), newest=pl.col("x").last())
    questions = as_asks([("N1", 14), ("N1", 13)])
    got = look_up(compile_lookup(lookup, SCHEMA), frame.lazy(), questions, questions.select(instants("t"))["t"])
    assert got.rows() == [(4.0, 4.0, 6.0, None, None, None), (0.0, 0.0, 0.0, None, None, None)]


def test_a_fact_that_left_gives_its_place_to_an_older_one() -> None:
    frame = as_frame([(key, "N1", m, 1.0, m, "crew") for key, m in (("a", 1), ("b", 2), ("c", 3), ("d", 4))])
    moved = as_frame([("d", "N2", 10, 1.0, 0, "crew"), ("c", None, 20, 1.0, 0, "crew")])
    lookup = window(source, by="tail", last=2, total=pl.col("n").sum())
    questions = as_asks([("N1", 13), ("N1", 14), ("N1", 24), ("N2", 14)])
    got = look_up(
        compile_lookup(lookup, SCHEMA),
        pl.concat([frame, moved]).lazy(),
        questions,
        questions.select(instants("t"))["t"],
    )
    assert got["total_last2"].to_list() == [3 + 4, 2 + 3, 1 + 2, 0]


OPERATIONS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "sum": lambda e: e.sum(), "mean": lambda e: e.mean(), "count": lambda e: e.count(), "min": lambda e: e.min(),
    "max": lambda e: e.max(), "std": lambda e: e.std(), "var": lambda e: e.var(ddof=0),
    "quantile": lambda e: e.median(),
}  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_filter_within_an_aggregation_is_part_of_the_written_arithmetic(operation: str) -> None:
    """The values are those of Polars, whatever is null, NaN or dropped, and facts are kept as they were before."""
    rng = random.Random(5)
    values = [None, math.nan, 0.5, -0.0, 3.0, 8.25]
    facts = [
        (f"k{n}", rng.choice(["N1", "N2"]), rng.randrange(90), rng.choice(values), rng.choice([None, 1, 2, 3]),
         rng.choice(["storm", "crew", None]))
        for n in range(80)
    ]  # fmt: skip
    conditions = {
        "word": pl.col("word") == "storm", "two": (pl.col("word") == "crew") & (pl.col("n") / 3 > 0.4),
        "nan": pl.col("x") > 1, "never": pl.col("n") > 9,
    }  # fmt: skip
    given_ = {name: OPERATIONS[operation](pl.col("x").filter(by)) for name, by in conditions.items()}
    lookup = window(source, by="tail", over=["10m", "1h"], newest=pl.col("x").last(), **given_)
    compiled = compile_lookup(lookup, SCHEMA)
    assert {output.operation for output in compiled.outputs} == {operation, "last"}
    assert [str(measure) for measure in compiled.measures] == ['col("x")', 'col("n")', 'col("word")']
    frame, questions = as_frame(facts), as_asks([(tail, m) for tail in ("N1", "N2", "N3") for m in range(0, 99, 3)])
    got = look_up(compiled, frame.lazy(), questions, questions.select(instants("t"))["t"])
    for (tail, at), row in zip(questions.iter_rows(), got.iter_rows(named=True), strict=True):
        for width in lookup.widths:
            expected = counted(frame, tail, at, duration(width)).select(**given_).row(0, named=True)
            for name, value in expected.items():
                mine = row[f"{name}_{width}"]
                assert same(mine, value) or mine == pytest.approx(value, rel=1e-12, nan_ok=True), (name, mine, value)


UNFIT = {
    "a mean within the condition": pl.col("n").filter(pl.col("n") > pl.col("n").mean()).sum(),
    "the first of what is left": pl.col("n").filter(pl.col("n") > 1).first(),
    "how many are left": pl.col("n").filter(pl.col("n") > 1).len(),
    "a filter of what was sorted": pl.col("n").sort().filter(pl.col("n") > 1).sum(),
    "a number": pl.lit(1).filter(pl.col("n") > 1).sum(),
}


@pytest.mark.parametrize("expr", UNFIT.values(), ids=UNFIT)
def test_what_only_looks_like_a_filter_of_each_fact_goes_to_polars(expr: pl.Expr) -> None:
    (output,) = compile_lookup(window(source, by="tail", over="1h", odd=expr), SCHEMA).outputs
    assert output.operation == "general"


def test_what_happened_decides_and_what_was_known_bounds() -> None:
    frame = as_frame([
        ("a", "N1", 10, 1.0, 1, "crew", 5),
        ("b", "N1", 11, 2.0, 2, "crew", 60),  # happened an hour before it was told
        ("c", "N1", 12, 3.0, 3, "crew", 8),  # told last, and happened before a
        ("d", "N1", 12, 4.0, 4, "crew", -8),  # told before it happens
        ("e", "N2", 12, 5.0, 5, "crew", None),  # does not say when
    ])  # fmt: skip
    lookup = window(dated, by="tail", over="20m", last=1, max_age="20m", n=pl.col("n").sum(), key=pl.col("id").last())
    questions = as_asks([("N1", 13), ("N1", 14), ("N1", 16), ("N1", 20), ("N1", 21), ("N2", 15), ("N2", 16)])
    got = look_up(compile_lookup(lookup, SCHEMA), frame.lazy(), questions, questions.select(instants("t"))["t"])
    assert got.columns == ["n_20m", "n_last1", "key_20m", "key_last1"]
    assert got["n_20m"].to_list() == [0, 1, 1 + 3, 1 + 3, 1 + 3 + 4, 0, 5]
    assert got["key_last1"].to_list() == [None, "a", "a", "a", "d", None, "e"]


def test_what_was_called_off_before_it_happened_never_counts() -> None:
    planned = [
        ("a", "N1", 10, 1.0, 1, "crew", -20),
        ("a", "N1", 15, 1.0, 2, "crew", -5),
        ("b", "N1", 10, 1.0, 8, "", -9),
    ]
    frame = as_frame([*planned, ("b", None, 12, 1.0, 0, "", None)])
    lookup = window(dated, by="tail", over="1h", n=pl.col("n").sum())
    questions = as_asks([("N1", 18), ("N1", 20), ("N1", 21), ("N1", 31)])
    got = look_up(compile_lookup(lookup, SCHEMA), frame.lazy(), questions, questions.select(instants("t"))["t"])
    assert got["n_1h"].to_list() == [0, 0, 2, 2]


def test_whole_number_entities_beyond_53_bits_stay_apart(tmp_path: Path) -> None:
    big = 2**53
    schema = {"id": pl.Int64(), "who": pl.Int64(), "at": pl.Datetime("us", "UTC"), "v": pl.Int64()}
    frame = pl.DataFrame([(1, big, START, 1), (2, big + 1, START, 2)], schema=schema, orient="row")
    compiled = compile_lookup(latest(Source("s", "s.csv", key="id", time="at"), "v", by="who"), schema)
    store = FreshValues(tmp_path / "fresh.db")
    store.ingest(compiled.digest, to_store(compiled, frame))
    read = reader(compiled, store)
    later = (START + timedelta(hours=1)).timestamp() * 1e6
    asks = pl.DataFrame({"who": [big, big + 1]})
    assert [read(e, int(later)) for e in entities_of(compiled, asks)] == [[1], [2]]
    store.close()
