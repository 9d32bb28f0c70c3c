"""Facts on their way in: decoded or refused, written once per lookup, and filled by what can still be asked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outlast.bundle.ingest import MARGIN, decode_facts, fill, fit_schema, not_ahead, oldest_needed, update, withdrawals
from outlast.data.schema import Field, Schema, types
from outlast.errors import DataError, RequestError
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.facts import RETRACTED, instants
from outlast.features.history import parts
from outlast.features.offline import look_up
from outlast.features.online import frame_of, reader, to_store
from outlast.project.declare import Lookup, Source, latest, window
from outlast.storage.fresh import FreshValues

START = datetime(2024, 1, 1, tzinfo=UTC)
SCHEMA = Schema(
    [Field("id", "Int64"), Field("tail", "String", 0.1), Field("at", "Datetime(us, UTC)"), Field("n", "Int32", 0.1)]
)
LANDINGS = Source("landings", "l.csv", key="id", time="at", lag="5m")
EVER = compile_lookup(latest(LANDINGS, "n", by="tail"), types(SCHEMA))
DAY = compile_lookup(window(LANDINGS, by="tail", over="1d", many=pl.len(), total=pl.col("n").sum()), types(SCHEMA))
REQUIRED = ("id", "at")
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FreshValues]:
    values = FreshValues(tmp_path / "fresh.db")
    yield values
    values.close()


def rows(*facts: tuple[Any, ...]) -> pl.DataFrame:
    """Facts from (id, tail, hours after the start, n)."""
    return pl.DataFrame(
        [(key, tail, START + timedelta(hours=hours), n) for key, tail, hours, n in facts],
        schema=types(SCHEMA),
        orient="row",
    )


def test_facts_are_decoded_by_the_types_of_training() -> None:
    given = [{"id": 1, "tail": "N1", "at": "2024-01-01T02:00:00+02:00", "n": 3.0}, {"id": 2, "at": START, "extra": 1}]
    found = decode_facts("landings", SCHEMA, REQUIRED, given)
    assert found.equals(rows((1, "N1", 0, 3), (2, None, 0, None)))
    assert decode_facts("landings", SCHEMA, REQUIRED, []).schema == types(SCHEMA)


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        ({"id": 1}, "Fact 0 of 'landings', field 'at' is missing: expected a moment"),
        (
            {"id": 1, "att": "2024-01-01"},
            "'at' is missing ('att' is not a field: did you mean 'at'?): expected a moment",
        ),
        ({"id": None, "at": START}, "field 'id' is missing: expected a whole number"),
        ({"id": "1", "at": START}, "field 'id' is the text '1': expected a whole number"),
        ({"id": 1, "at": START, "n": 2**31}, "field 'n' is the number 2147483648: expected a whole number (Int32)"),
        ({"id": 1, "at": START, "n": float("nan")}, "field 'n' is the number nan"),
        ([1], "Fact 0 of 'landings' is not an object"),
        ({"id": 1, "at": START, "tial": "N1"}, "has a field 'tial' and none of the name 'tail': write it 'tail'"),
    ],
)
def test_a_fact_that_is_none_is_refused_with_its_place(fact: Any, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode_facts("landings", SCHEMA, REQUIRED, [fact])
    assert says in str(caught.value)
    assert caught.value.details["row"] == 0


def test_a_file_is_given_the_types_of_training() -> None:
    file = pl.DataFrame({"n": [3.0, None], "at": [datetime(2024, 1, 1)] * 2, "id": [1, 2], "other": ["x", "y"]})
    fitted = fit_schema("landings", SCHEMA, file, REQUIRED)
    assert fitted.equals(rows((1, None, 0, 3), (2, None, 0, None)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": None}, "have no column 'id': expected id, tail, at, n"),
        ({"id": [None]}, "rows without 'id', which names or dates a fact"),
        ({"id": ["x"]}, "do not have the types of training"),
        ({"n": [3.7]}, "column 'n' holds 3.7, expected whole numbers (Int32)"),
        ({"n": [2**40]}, "do not have the types of training"),
    ],
)
def test_a_file_of_other_types_is_refused(change: dict[str, Any], says: str) -> None:
    whole = {"id": [1], "tail": ["N1"], "at": [START], "n": [1]} | change
    frame = pl.DataFrame({name: values for name, values in whole.items() if values is not None})
    with pytest.raises(DataError) as caught:
        fit_schema("landings", SCHEMA, frame, REQUIRED)
    assert says in str(caught.value)


def test_facts_a_day_ahead_are_taken_and_later_ones_refused() -> None:
    not_ahead("landings", rows((1, "N1", 24, 3)), "at", at=START)
    not_ahead("landings", rows((1, "N1", 9999, 3)), None, at=START)
    with pytest.raises(RequestError) as caught:
        not_ahead("landings", rows((1, "N1", 0, 3), (2, "N1", 25, 4), (3, "N1", 26, 4)), "at", at=START)
    assert "Fact 1 of 'landings', field 'at' is 2024-01-02 01:00:00" in str(caught.value)
    assert "until now, 2024-01-01 00:00 UTC, or 1d ahead of it at most" in str(caught.value)
    assert caught.value.details == {"row": 1, "field": "at"}


def test_new_facts_are_written_for_every_lookup_once(store: FreshValues) -> None:
    facts = rows((1, "N1", 0, 3), (2, "N1", 1, 4))
    for _ in range(2):
        assert update(store, [EVER, DAY, EVER], facts) == [EVER.digest, DAY.digest]
    assert (store.count(EVER.digest), store.count(DAY.digest)) == (2, 2)


def test_of_two_lookups_all_or_nothing_is_written(store: FreshValues) -> None:
    other = Source("landings", "l.csv", key="id", time="missing")
    broken = compile_lookup(latest(other, "n", by="tail"), {**types(SCHEMA), "missing": pl.Datetime("us")})
    with pytest.raises(pl.exceptions.PolarsError):
        update(store, [EVER, broken], rows((1, "N1", 0, 3)))
    assert store.count(EVER.digest) == 0


def hours(n: float) -> int:
    return int((START + timedelta(hours=n)).timestamp()) * 1_000_000


def test_a_fact_dated_years_ahead_does_not_push_the_others_out(store: FreshValues) -> None:
    history = rows((1, "N1", 0, 3), (2, "N1", 24 * 3650, 4))
    fill(store, DAY, history.lazy(), now=START + timedelta(hours=3))
    assert reader(DAY, store)("N1", hours(2)) == [1, 3]


def test_a_fact_that_moved_to_another_entity_leaves_the_one_before_it(store: FreshValues) -> None:
    history = rows((1, "N1", 0, 3), (2, "N1", 10, 4), (2, "N2", 20, 4), (9, "N9", 900, 0))
    fill(store, EVER, history.lazy(), now=START + timedelta(days=99))
    read = reader(EVER, store)
    assert [read(tail, hours(900)) for tail in ("N1", "N2", "N3", None)] == [[3], [4], [None], [None]]


PLACES = Source("places", "p.csv", key=["tail", "id"], time="at", lag="5m")
HOURLY = Source("hourly", "h.csv", key=["tail", "at"], time="at")
PLACE = compile_lookup(latest(PLACES, "n", by="tail"), types(SCHEMA))
HOUR = compile_lookup(window(HOURLY, by="tail", over="2d", many=pl.len(), total=pl.col("n").sum()), types(SCHEMA))
SOME = compile_lookup(window(PLACES, by="tail", last=[1, 3], many=pl.len(), total=pl.col("n").sum()), types(SCHEMA))
BOTH = window(LANDINGS, by="tail", over="3d", last=[2, 4], many=pl.len(), total=pl.col("n").sum())
BOUND = window(LANDINGS, by="tail", last=3, max_age="4d", many=pl.len(), total=pl.col("n").sum())


def told(lookup: CompiledLookup, history: list[tuple[Any, ...]], tail: str, at: int) -> list[Any]:
    """A lookup's values by trying every version of every fact: the last known before the moment is what holds."""
    source = lookup.lookup.source
    names = ("id", "tail", "at", "n")
    versions: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]] = {}
    for fact in history:
        known = hours(fact[2]) + source.delay // timedelta(microseconds=1)
        key = tuple(dict(zip(names, fact, strict=False))[name] for name in source.keys)
        if known < at and known >= versions.get(key, (known, ()))[0]:
            versions[key] = (known, fact)
    held = [(known, key, fact) for key, (known, fact) in versions.items() if not fact[4] and fact[1] == tail]
    if lookup.lookup.kind == "latest":
        spelled_keys = [(known, "\x1f".join(map(str, key)), fact[3]) for known, key, fact in held]
        return [max(spelled_keys)[2] if spelled_keys else None]
    if lookup.lookup.lasts:
        ordered = [fact for *_, fact in sorted((known, "\x1f".join(map(str, key)), fact) for known, key, fact in held)]
        parts = [ordered[-count:] for count in lookup.lookup.lasts]
        return [*(len(part) for part in parts), *(sum(fact[3] for fact in part) for part in parts)]
    assert lookup.reach is not None
    inside = [fact for known, _, fact in held if known >= at - lookup.reach // timedelta(microseconds=1)]
    return [len(inside), sum(fact[3] for fact in inside)]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize(
    "lookup", [EVER, DAY, PLACE, HOUR, SOME], ids=["latest", "window", "entity in key", "time in key", "so many"]
)
@given(
    history=st.lists(
        st.tuples(
            st.integers(1, 4), st.sampled_from(["N1", "N2"]), st.integers(0, 40), st.integers(0, 9), st.booleans()
        ),
        max_size=14,
    ),
    asked=st.lists(st.integers(0, 60), min_size=1, max_size=5),
)
def test_a_withdrawn_fact_is_gone_from_then_on_online_as_offline(
    tmp_path_factory: pytest.TempPathFactory, lookup: CompiledLookup, history: Any, asked: list[int]
) -> None:
    frame = rows(*(fact[:4] for fact in history)).with_columns(
        pl.Series(RETRACTED, [fact[4] for fact in history], dtype=pl.Boolean)
    )
    frame = withdrawals(frame, ["at", *lookup.lookup.source.keys])
    arrived, filled = (FreshValues(tmp_path_factory.mktemp("fresh") / "fresh.db") for _ in range(2))
    for part in frame.iter_slices(3):
        update(arrived, [lookup], part)
    fill(filled, lookup, frame.lazy(), now=START + timedelta(days=99))
    asks = pl.DataFrame({"tail": ["N1", "N2"] * len(asked)})
    moments = pl.Series([hours(n) + 1 for n in asked for _ in "12"], dtype=pl.Int64)
    expected = [told(lookup, history, tail, at) for tail, at in zip(asks["tail"], moments, strict=True)]
    assert [list(row) for row in look_up(lookup, frame.lazy(), asks, moments).rows()] == expected
    for store in (arrived, filled):
        read = reader(lookup, store)
        assert [read(tail, at) for tail, at in zip(asks["tail"], moments, strict=True)] == expected
        store.close()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("lookup", [BOTH, BOUND], ids=["time and so many", "so many with max_age"])
@given(
    history=st.lists(
        st.tuples(
            st.integers(1, 9), st.sampled_from(["N1", "N2"]), st.integers(0, 30), st.integers(0, 9), st.booleans()
        ),
        max_size=20,
    )
)
def test_what_fills_and_stays_is_all_that_so_many_facts_need(
    tmp_path_factory: pytest.TempPathFactory, lookup: Lookup, history: Any
) -> None:
    compiled = compile_lookup(lookup, types(SCHEMA))
    gone = pl.Series(RETRACTED, [fact[4] and fact[3] == 0 for fact in history], dtype=pl.Boolean)
    frame = rows(*((key, tail, day * 24, n) for key, tail, day, n, _ in history)).with_columns(gone)
    frame = withdrawals(frame, REQUIRED)
    filled, everything = (FreshValues(tmp_path_factory.mktemp("fresh") / "fresh.db") for _ in range(2))
    fill(filled, compiled, frame.lazy(), now=START + timedelta(days=99))
    update(everything, [compiled], frame)
    last = max((fact[2] for fact in history), default=0) * 24
    asks = pl.DataFrame({"tail": ["N1", "N2"] * 4})
    moments = pl.Series([hours(last + n) for n in (-30, 0, 1, 2000) for _ in "12"], dtype=pl.Int64)
    expected = look_up(compiled, frame.lazy(), asks, moments).rows()
    for prune in (False, True):
        for store in (filled, everything):
            if prune:
                store.prune(compiled.digest, hours(last) - oldest_needed(compiled) // MICROSECOND, compiled.rows)
            read = reader(compiled, store)
            assert [tuple(read(tail, at)) for tail, at in zip(asks["tail"], moments, strict=True)] == expected
    filled.close()
    everything.close()


def test_a_file_whose_column_is_misspelt_is_refused_and_one_with_others_beside_is_not() -> None:
    file = rows((1, "N1", 0, 3))
    with pytest.raises(RequestError, match="The file of facts for 'landings' has a field 'tial' and none of the name"):
        fit_schema("landings", SCHEMA, file.rename({"tail": "tial"}), REQUIRED)
    beside = file.with_columns(tails=pl.lit("N2"), gate=pl.lit("A1"))
    assert fit_schema("landings", SCHEMA, beside, REQUIRED).equals(file)


def test_a_withdrawal_is_decoded_by_its_mark_and_keeps_only_key_and_moment() -> None:
    given = [{"id": 1, "at": START, "retracted": True, "n": 3}, {"id": 2, "at": START, "n": 4, "retracted": False}]
    found = withdrawals(decode_facts("landings", SCHEMA, REQUIRED, given), REQUIRED)
    assert found.rows() == [(1, None, START, None, True), (2, None, START, 4, False)]
    plain = decode_facts("landings", SCHEMA, REQUIRED, given[1:])
    assert RETRACTED not in plain.columns
    assert withdrawals(plain, REQUIRED, every=True).rows() == [(2, None, START, None, True)]
    file = pl.DataFrame({"id": [1, 2, 3], "at": [START] * 3, "retracted": [True, False, None]})
    assert fit_schema("landings", SCHEMA, file, REQUIRED)[RETRACTED].to_list() == [True, False, False]


@pytest.mark.parametrize("mark", ["yes", 1, [True]])
def test_a_mark_that_is_no_truth_value_is_refused(mark: object) -> None:
    with pytest.raises(
        RequestError, match=r"field 'retracted' is .*: expected true, which withdraws the fact"
    ) as caught:
        decode_facts("landings", SCHEMA, REQUIRED, [{"id": 1, "at": START, "retracted": mark}])
    assert caught.value.details == {"row": 0, "field": "retracted"}
    file = pl.DataFrame({"id": [1], "at": [START], "retracted": ["true"]})
    with pytest.raises(DataError, match="column 'retracted' of String: expected true"):
        fit_schema("landings", SCHEMA, file, REQUIRED)


def test_a_column_of_that_name_is_a_column_and_the_shorthand_is_refused() -> None:
    own = Schema([*SCHEMA.fields, Field("retracted", "Boolean", 0.5)])
    whole = {"id": 1, "at": START, "n": 3, "retracted": True}
    found = decode_facts("landings", own, REQUIRED, [whole, {"id": 2, "at": START, "retracted": False}])
    assert (found["retracted"].to_list(), RETRACTED in found.columns) == ([True, False], False)
    assert RETRACTED not in fit_schema("landings", own, pl.DataFrame([whole]), REQUIRED).columns
    with pytest.raises(
        RequestError, match=r"'retracted', which is a column of this source.*push landings FILE --retract"
    ):
        decode_facts("landings", own, REQUIRED, [whole, {"id": 2, "at": START, "retracted": True}])


facts_strategy = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["N1", "N2", None]), st.integers(0, 300), st.integers(0, 9)),
    max_size=20,
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("lookup", [EVER, DAY], ids=["latest", "window"])
@given(facts=facts_strategy, late=st.lists(st.integers(0, 47), min_size=1, max_size=4))
def test_whatever_is_asked_from_the_margin_on_is_answered_as_from_the_whole_history(
    tmp_path_factory: pytest.TempPathFactory, lookup: CompiledLookup, facts: Any, late: list[int]
) -> None:
    """Corrections to another entity and to none included."""
    frame = rows(*facts)
    store = FreshValues(tmp_path_factory.mktemp("fresh") / "fresh.db")
    fill(store, lookup, frame.lazy(), now=START + timedelta(days=99))
    newest = max((row[2] for row in facts), default=0)
    times = [START + timedelta(hours=newest, minutes=6) - MARGIN + timedelta(hours=more) for more in (*late, 48)]
    asks = pl.DataFrame([(tail, at) for at in times for tail in ("N1", "N2", None)], schema=["tail", "t"], orient="row")
    asks = asks.with_columns(pl.col("t").dt.cast_time_unit("us"), pl.col("tail").cast(pl.String))
    moments = asks.select(instants("t"))["t"]
    expected = look_up(lookup, frame.lazy(), asks, moments)
    read = reader(lookup, store)
    found = frame_of(lookup.schema, [read(tail, at) for tail, at in zip(asks["tail"], moments, strict=True)])
    assert found.equals(expected, null_equal=True), (found, expected)
    store.close()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("lookup", [EVER, DAY], ids=["latest", "window"])
@given(facts=facts_strategy, left=st.sets(st.integers(0, 19)), count=st.integers(1, 3))
@example(facts=[(1, "N1", 0, 7), (1, "N2", 50, 7), (2, "N2", 90, 3), (3, None, 290, 0)], left={0}, count=1)
def test_what_nobody_wrote_to_for_a_while_is_right_after_a_fill(
    tmp_path_factory: pytest.TempPathFactory, lookup: CompiledLookup, facts: Any, left: set[int], count: int
) -> None:
    """Any part of a history may lie in the store: what was dropped half-way, or filled for a version long retired."""
    facts = list({(key, at): (key, tail, at, n) for key, tail, at, n in facts}.values())
    frame = rows(*facts)
    store = FreshValues(tmp_path_factory.mktemp("fresh") / "fresh.db")
    update(store, [lookup], rows(*(fact for place, fact in enumerate(facts) if place in left)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "parts_needed", lambda *_: count)
        fill(store, lookup, frame.lazy(), now=START + timedelta(days=99))
    asks = pl.DataFrame({"tail": ["N1", "N2"]})
    moment = hours(400)
    expected = look_up(lookup, frame.lazy(), asks, pl.Series([moment] * 2))
    read = reader(lookup, store)
    assert frame_of(lookup.schema, [read(tail, moment) for tail in ("N1", "N2")]).equals(expected, null_equal=True)
    store.close()


@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize("lookup", [DAY, HOUR], ids=["by key", "time in key"])
@given(facts=facts_strategy)
def test_a_fill_reads_no_more_than_it_needs_and_needs_what_it_needed(lookup: CompiledLookup, facts: Any) -> None:
    """The rows that are left out while reading are those that were left out after it."""

    class Collected:
        at_once = 1_000

        def __init__(self) -> None:
            self.facts: list[Any] = []

        def ingest(self, _: str, facts: Any) -> int:
            self.facts += facts
            return len(facts)

    frame = rows(*facts)
    kept_all = [one for one in to_store(lookup, frame) if one.known <= hours(24 * 99)]
    newest = max((one.known for one in kept_all), default=0)
    assert lookup.reach is not None
    since = newest - (lookup.reach + MARGIN) // timedelta(microseconds=1)
    store = Collected()
    assert fill(store, lookup, frame.lazy(), now=START + timedelta(days=99)) == len(store.facts)  # type: ignore[arg-type]
    assert store.facts == [one for one in kept_all if one.known >= since]
