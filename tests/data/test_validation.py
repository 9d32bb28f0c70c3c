"""Validation: every rule, what it says, and whether it blocks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from outlast.data.schema import infer
from outlast.data.validation import check
from outlast.errors import ContractError
from outlast.project.contract import RulesSection

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
BEFORE = pl.DataFrame(
    {
        "id": [f"f{i}" for i in range(20)],
        "at": [NOON + timedelta(minutes=i) for i in range(20)],
        "distance": list(range(100, 120)),
        "wind": [float(i) for i in range(19)] + [None],
        "origin": ["JFK", "LGA"] * 10,
        "late": [True, False] * 10,
    }
)
SCHEMA = infer(BEFORE.lazy())


def rows(**columns: Any) -> pl.DataFrame:
    return BEFORE.with_columns(**columns)


def nulls(column: str, count: int) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) >= count).then(pl.col(column))


def test_rows_that_are_as_they_were_break_nothing() -> None:
    rules = RulesSection(ranges={"distance": [0, 6000]}, nulls={"id": 0.0, "wind": 0.05})
    assert check(BEFORE.lazy(), SCHEMA, rules, ("id",), time="at", unique=True) == []
    assert check(BEFORE.lazy(), None, None, ()) == []
    assert check(BEFORE.clear().lazy(), SCHEMA, rules, ("id",)) == []


HARMLESS = {
    "narrower numbers": rows(distance=pl.col("distance").cast(pl.Int16)),
    "whole numbers where fractions were": rows(wind=pl.lit(3)),
    "another unit of moments": rows(at=pl.col("at").cast(pl.Datetime("ms", "UTC"))),
    "moments without a zone": rows(at=pl.col("at").dt.replace_time_zone(None)),
    "words as categories": rows(origin=pl.col("origin").cast(pl.Categorical)),
    "one more null": rows(wind=nulls("wind", 1)),
    "columns in another order": BEFORE.select(reversed(BEFORE.columns)),
    "later moments": rows(at=pl.col("at") + timedelta(days=400)),
}


@pytest.mark.parametrize("frame", HARMLESS.values(), ids=list(HARMLESS))
def test_what_changes_no_value_breaks_nothing(frame: pl.DataFrame) -> None:
    assert check(frame.lazy(), SCHEMA, None, ("id",), time="at") == []


CASES: dict[str, tuple[pl.DataFrame, RulesSection | None, tuple[str, str, int, bool], str]] = {
    "missing": (
        BEFORE.drop("wind").rename({"origin": "origins"}).drop("origins"),
        RulesSection(warn_only=["origin"]),
        ("wind", "missing column", 1, True),
        "Column 'wind' is missing (did you mean 'id'?): write it again, or train on what is there",
    ),
    "missing in the contract": (
        BEFORE,
        RulesSection(nulls={"tail": 0.1}),
        ("tail", "missing column", 1, True),
        "Column 'tail' is missing (known: at, distance, id, late, origin, wind): write it again",
    ),
    "extra": (
        rows(gate=pl.lit("A1")),
        None,
        ("gate", "extra column", 1, False),
        "Column 'gate' is new: nothing reads it until a model names it",
    ),
    "type": (
        rows(distance=pl.col("distance").cast(pl.String)),
        None,
        ("distance", "type", 20, True),
        "Column 'distance' has another type: it was Int64 and is String; cast it back, or train on the new type",
    ),
    "fractions where whole numbers were": (
        rows(distance=pl.col("distance") + 0.5),
        None,
        ("distance", "type", 20, True),
        "Column 'distance' has another type: it was Int64 and is Float64; ",
    ),
    "empty": (
        rows(wind=pl.lit(None)),
        None,
        ("wind", "nulls", 20, True),
        "Column 'wind' is empty in all 20 rows: before, 5.0% were; nothing can be learnt from it: mend the feed",
    ),
    "empty and of another type": (
        rows(wind=pl.lit(None, pl.String)),
        RulesSection(nulls={"wind": 0.5}),
        ("wind", "nulls", 20, True),
        "Column 'wind' is empty in all 20 rows: ",
    ),
    "NaN throughout": (
        rows(wind=pl.lit(float("nan"))),
        None,
        ("wind", "nulls", 20, True),
        "Column 'wind' is empty in all 20 rows: ",
    ),
    "nulls grew": (
        rows(wind=nulls("wind", 2)),
        None,
        ("wind", "nulls", 3, False),
        "Column 'wind' is missing in 3 of 20 rows (15.0%): before, 5.0% were; look at what fills the column",
    ),
    "nulls the contract forbids": (
        rows(origin=nulls("origin", 1)),
        RulesSection(nulls={"origin": 0.0}),
        ("origin", "nulls", 1, True),
        "Column 'origin' is missing in 1 of 20 rows (5.0%): at most 0.0% are allowed; mend the feed, or change data",
    ),
    "range in the contract": (
        BEFORE,
        RulesSection(ranges={"distance": [100, 117.5]}),
        ("distance", "range", 2, True),
        "Column 'distance' is out of range in 2 of 20 rows (10.0%), such as 118: all must lie from 100 to 117.5; mend",
    ),
    "range of words": (
        BEFORE,
        RulesSection(ranges={"origin": [0, 1]}),
        ("origin", "range", 20, True),
        "such as 'JFK': a range of numbers was expected, and the column holds String; drop the range, or cast",
    ),
    "range as it was": (
        rows(wind=pl.col("wind") * 10),
        None,
        ("wind", "range", 17, False),
        "Column 'wind' is out of range in 17 of 20 rows (85.0%), such as 20.0: all lay from 0 to 18 before; see",
    ),
    "unseen category": (
        rows(origin=pl.lit("EWR")),
        None,
        ("origin", "categories", 20, False),
        "Column 'origin' has an unknown category in 20 of 20 rows (100.0%), such as 'EWR': 2 categories were known",
    ),
}


@pytest.mark.parametrize(("frame", "rules", "expected", "sentence"), CASES.values(), ids=list(CASES))
def test_a_broken_rule_is_told(
    frame: pl.DataFrame, rules: RulesSection | None, expected: tuple[str, str, int, bool], sentence: str
) -> None:
    first = check(frame.lazy(), SCHEMA, rules, ("id",), time="at")[0]
    assert (first.column, first.rule, first.count, first.blocks) == expected
    assert sentence in first.sentence
    if first.rule not in ("missing column", "extra column"):
        assert set(first.example) == set(frame.columns)


def test_each_case_breaks_one_rule() -> None:
    several = {name: check(frame.lazy(), SCHEMA, rules, ()) for name, (frame, rules, _, _) in CASES.items()}
    assert {name: len(found) for name, found in several.items() if len(found) != 1} == {"missing": 2}


def test_columns_that_may_only_warn_never_block() -> None:
    frame = BEFORE.drop("late").with_columns(distance=pl.lit("far"), wind=pl.lit(None), id=pl.lit("same"))
    names = ["late", "distance", "wind", "id"]
    found = check(
        frame.lazy(), SCHEMA, RulesSection(ranges={"distance": [0, 1]}, warn_only=names), ("id",), unique=True
    )
    assert {(v.column, v.blocks) for v in found} == {(name, False) for name in names}


def test_those_that_block_come_first() -> None:
    found = check(rows(gate=pl.lit("A1"), wind=pl.lit(None)).lazy(), SCHEMA, None, ())
    assert [(v.column, v.blocks) for v in found] == [("wind", True), ("gate", False)]


FACTS = pl.DataFrame({"id": ["a", "a", "b"], "at": [NOON, NOON, NOON], "x": [1.0, 1.0, 2.0]})


@pytest.mark.parametrize(
    ("frame", "unique", "count"),
    [
        (FACTS, False, 0),
        (FACTS, True, 1),
        (FACTS.with_columns(x=pl.Series([1.0, 2.0, 3.0])), False, 1),
        (FACTS.with_columns(x=pl.Series([1.0, None, 3.0])), False, 1),
        (FACTS.with_columns(x=pl.Series([[1], [2], []])), False, 1),
        (FACTS.with_columns(x=pl.Series([1.0, 2.0, 3.0]), at=pl.Series([NOON, NOON + timedelta(1), NOON])), False, 0),
        (FACTS.with_columns(x=pl.Series([1.0, 2.0, 3.0]), id=pl.lit(None, pl.String)), False, 1),
        (FACTS.with_columns(at=pl.Series([NOON, NOON + timedelta(1), NOON])), True, 1),
    ],
)
def test_a_key_that_comes_twice(frame: pl.DataFrame, unique: bool, count: int) -> None:
    found = check(frame.lazy(), None, None, ("id",), time="at", unique=unique)
    assert [(v.column, v.rule, v.count, v.blocks) for v in found] == [("id", "duplicate keys", 1, True)] * count


def test_a_key_that_comes_twice_is_told() -> None:
    frame = FACTS.with_columns(x=pl.Series([1.0, 2.0, 3.0]))
    facts = check(frame.lazy(), None, None, ("id", "at"), time="at")[0]
    assert facts.column == "id, at"
    assert facts.sentence == (
        f"Key 'id, at' comes twice at the same time with different values for 1 fact, such as id='a', at={NOON}: "
        "drop one of each, or give a correction the time it became known"
    ).replace(str(NOON), str(frame["at"][0]))
    questions = check(frame.lazy(), None, None, ("id",), unique=True)[0]
    assert questions.sentence == ("Key 'id' comes more than once for 1 key, such as id='a': give each question one row")
    assert questions.example["x"] in (1.0, 2.0)


@pytest.mark.parametrize("bounds", [[1.0], [5.0, 1.0], [1.0, 2.0, 3.0]])
def test_a_range_that_is_none_is_refused(bounds: list[float]) -> None:
    with pytest.raises(ContractError, match=r"^The range of 'distance' is .*: give the lowest and the highest value"):
        check(BEFORE.lazy(), None, RulesSection(ranges={"distance": bounds}), ())


def test_a_violation_can_be_stored() -> None:
    found = check(rows(wind=pl.lit(None)).lazy(), SCHEMA, None, ())
    assert msgspec.json.decode(msgspec.json.encode(found))[0]["example"]["at"] == "2013-07-01T12:00:00Z"
