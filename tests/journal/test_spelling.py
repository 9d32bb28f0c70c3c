"""Values survive being written as JSON."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.journal.spelling import from_text, number_of, to_text, value_of, value_text

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(), VALUES))
def test_a_row_comes_back_as_it_was(row: dict[str, object]) -> None:
    back = from_text(to_text(row))
    assert back == row
    assert {name: type(value) for name, value in back.items()} == {name: type(value) for name, value in row.items()}


def test_what_is_not_a_number_stays_that() -> None:
    back = from_text(to_text({"a": math.nan, "b": math.inf, "c": -math.inf}))
    assert math.isnan(back["a"])
    assert (back["b"], back["c"]) == (math.inf, -math.inf)


def test_an_object_that_looks_like_a_spelling_is_not_read_as_one() -> None:
    row = {"a": {"$date": "2013-07-01"}}
    assert from_text(to_text(row)) == row


def test_numbers_of_numpy_become_plain() -> None:
    assert value_of(value_text(np.int64(7))) == 7
    assert value_of(value_text(np.float32(0.5))) == 0.5


@pytest.mark.parametrize(
    ("value", "number"), [(True, 1.0), (False, 0.0), (3, 3.0), (2.5, 2.5), ("3", None), (math.nan, None), (None, None)]
)
def test_a_value_is_a_number_where_it_is_one(value: object, number: float | None) -> None:
    assert number_of(value) == number


@pytest.mark.parametrize(
    "value",
    [datetime(2013, 7, 1, 12, 0, 0, 5, tzinfo=UTC), date(2013, 7, 1), time(9, 30), timedelta(-1, 3), Decimal("1.10")],
)
def test_kinds_json_has_no_word_for(value: object) -> None:
    assert value_of(value_text(value)) == value


@pytest.mark.parametrize(
    "row",
    [
        {"a": 1.5, "b": None, "c": "x", "d": True, "e": -7},
        {"a": math.nan, "b": None},
        {"a": None, "b": ":null", "c": 2.0},
        {"a:null": 1.0, "b": -math.inf},
        {"a": 2**63, "b": 1},
        {"a": -(2**63) - 1, "b": None},
        {"a": 2**63 - 1, "b": -(2**63)},
        {},
    ],
)
def test_a_plain_row_is_written_as_value_by_value(row: dict[str, object]) -> None:
    assert (
        to_text(row) == "{" + ",".join(f"{value_text(name)}:{value_text(value)}" for name, value in row.items()) + "}"
    )
