"""Schemas: names of types, what is inferred, and that a schema survives being stored."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.data.schema import Field, Schema, dtype_name, dtype_of, from_json, infer, to_json, types
from outlast.errors import DataError, StorageError

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
units = st.sampled_from(["ms", "us", "ns"])
simple = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64]
simple += [pl.Float32, pl.Float64, pl.String, pl.Boolean, pl.Date, pl.Time]
dtypes: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([kind() for kind in simple]),
    st.builds(pl.Datetime, units, st.sampled_from([None, "UTC", "America/New_York", "Etc/GMT+5"])),
    st.builds(pl.Duration, units),
)


@given(dtypes)
def test_a_type_survives_its_name(dtype: pl.DataType) -> None:
    assert dtype_of(dtype_name(dtype)) == dtype


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (pl.Categorical(), "String"),
        (pl.Enum(["a", "b"]), "String"),
        (pl.Null(), "String"),
        (pl.Decimal(9, 2), "Float64"),
        (pl.Float16(), "Float32"),
    ],
)
def test_some_types_are_kept_as_another(dtype: pl.DataType, name: str) -> None:
    assert dtype_name(dtype) == name


@pytest.mark.parametrize("dtype", [pl.List(pl.Int8), pl.Struct({"a": pl.Int8}), pl.Binary(), pl.Object(), pl.Int128()])
def test_a_type_no_model_can_use_has_no_name(dtype: pl.DataType) -> None:
    with pytest.raises(DataError, match="is none that a model can use: cast the column to numbers, text or moments"):
        dtype_name(dtype)


@pytest.mark.parametrize("name", ["Int63", "Datetime", "Datetime(s)", "Duration(us, UTC, no)x", ""])
def test_a_word_that_names_no_type_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="names no type of a column"):
        dtype_of(name)


ROWS = pl.DataFrame(
    {
        "n": pl.Series([3, None, -2, 7], dtype=pl.Int16),
        "x": [math.nan, math.inf, 0.5, None],
        "money": [Decimal("1.50"), None, Decimal("-2.25"), Decimal("0.00")],
        "word": ["b", "a", None, "b"],
        "kind": pl.Series(["y", "x", "y", None], dtype=pl.Enum(["x", "y", "never"])),
        "yes": [True, False, None, True],
        "day": [date(2013, 7, 1), date(2013, 1, 1), None, date(2013, 3, 1)],
        "at": [NOON, NOON - timedelta(hours=1), None, NOON],
        "clock": [time(9), time(8, 30), None, None],
        "took": [timedelta(seconds=90), timedelta(0), None, None],
        "nothing": [None, None, None, None],
        "tags": [["a"], [], None, ["b"]],
        "rows": [1, 2, 3, 4],
    }
)


def test_what_is_inferred_of_each_column() -> None:
    schema = infer(ROWS.lazy(), key=["rows"])
    assert schema == Schema(
        [
            Field("n", "Int16", 0.25, -2, 7),
            Field("x", "Float64", 0.5, 0.5, 0.5),
            Field("money", "Float64", 0.25, -2.25, 1.5),
            Field("word", "String", 0.25, categories=["a", "b"]),
            Field("kind", "String", 0.25, categories=["x", "y"]),
            Field("yes", "Boolean", 0.25),
            Field("day", "Date", 0.25, "2013-01-01", "2013-07-01"),
            Field("at", "Datetime(us, UTC)", 0.25, "2013-07-01T11:00:00+00:00", "2013-07-01T12:00:00+00:00"),
            Field("clock", "Time", 0.5, "08:30:00", "09:00:00"),
            Field("took", "Duration(us)", 0.5, "0:00:00", "0:01:30"),
            Field("nothing", "String", 1.0),
            Field("rows", "Int64", 0.0, 1, 4),
        ],
        key=["rows"],
        rows=4,
    )
    assert from_json(to_json(schema)) == schema
    assert types(schema)["at"] == pl.Datetime("us", "UTC")


def test_only_the_columns_asked_for_are_described_in_the_order_asked() -> None:
    assert infer(ROWS.lazy(), ["word", "n"]).names == ["word", "n"]


def test_a_column_that_cannot_be_used_is_refused_only_when_named() -> None:
    with pytest.raises(DataError, match=r"^Column 'tags' cannot be used: Type List\(String\) is none"):
        infer(ROWS.lazy(), ["tags"])


def test_a_column_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"^There is no column 'words' among the rows: did you mean 'word'\?"):
        infer(ROWS.lazy(), ["words"])


@pytest.mark.parametrize(("distinct", "listed"), [(100, True), (101, False), (5_000, False)])
def test_categories_are_listed_up_to_a_hundred(distinct: int, listed: bool) -> None:
    words = pl.DataFrame({"word": [f"word {i:05}" for i in range(distinct)] * 2})
    field = infer(words.lazy()).fields[0]
    assert field.categories == (sorted(set(words["word"])) if listed else None)


def test_no_rows_have_a_schema_too() -> None:
    schema = infer(ROWS.clear().lazy())
    assert (schema.rows, schema.names[:2], schema.fields[0]) == (0, ["n", "x"], Field("n", "Int16"))


numbers = st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
fields = st.builds(
    Field,
    st.text(max_size=5),
    dtypes.map(dtype_name),
    st.floats(0, 1),
    st.one_of(numbers, st.text(max_size=5)),
    numbers,
    st.one_of(st.none(), st.lists(st.text(max_size=5), max_size=3)),
)


@given(st.lists(fields, max_size=4), st.lists(st.text(max_size=3), max_size=2), st.integers(0, 10**12))
def test_a_schema_survives_being_stored(columns: list[Field], key: list[str], rows: int) -> None:
    schema = Schema(columns, key, rows)
    assert from_json(to_json(schema)) == schema


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (b"{", "A stored schema cannot be read: "),
        (b'{"fields": 3}', "A stored schema cannot be read: "),
        (b'{"fields": [], "format": 2}', "A stored schema has format 2, this Outlast reads up to 1: use the one that"),
    ],
)
def test_a_stored_schema_that_cannot_be_read(stored: bytes, sentence: str) -> None:
    with pytest.raises(StorageError, match=sentence):
        from_json(stored)
