"""What callers send, type by type: decoded as training's types, or refused with row, field and what was expected."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from outlast.bundle.falls import Policy
from outlast.bundle.requests import EXACT, Asked, Decoder, as_moment, spell_key
from outlast.data.schema import Field, dtype_of
from outlast.errors import RequestError
from outlast.types import micros

NOW = 1_700_000_000_000_000
EAST = timezone(timedelta(hours=2))
NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


def decode(field: Field, value: Any, policy: Policy | None = None) -> Asked:
    return Decoder([field], [], None, policy or Policy()).decode({field.name: value}, 3, NOW)


GOOD = [
    ("Boolean", True, True),
    ("Int8", -128, -128),
    ("Int8", 127.0, 127),
    ("UInt8", 255, 255),
    ("Int64", 2**53 + 1, 2**53 + 1),
    ("Int64", -(2**63), -(2**63)),
    ("Int64", float(EXACT - 1), EXACT - 1),
    ("UInt64", 2**64 - 1, 2**64 - 1),
    ("Float64", 2, 2.0),
    ("Float64", 10**30, 1e30),
    ("Float32", 0.5, 0.5),
    ("String", "", ""),
    ("String", "Zürich 🛫", "Zürich 🛫"),
    ("Date", "2013-07-01", date(2013, 7, 1)),
    ("Date", date(2013, 7, 1), date(2013, 7, 1)),
    ("Date", NOON, date(2013, 7, 1)),
    ("Time", "17:30:00", time(17, 30)),
    ("Time", time(1, 2), time(1, 2)),
    ("Datetime(us, UTC)", "2013-07-01T12:00:00Z", NOON),
    ("Datetime(us, UTC)", "2013-07-01T14:00:00+02:00", NOON),
    ("Datetime(us, UTC)", "2013-07-01T12:00:00", NOON),
    ("Datetime(us, UTC)", "2013-07-01", datetime(2013, 7, 1, tzinfo=UTC)),
    ("Datetime(us, UTC)", date(2013, 7, 1), datetime(2013, 7, 1, tzinfo=UTC)),
    ("Datetime(us, America/New_York)", "2013-07-01T08:00:00-04:00", NOON),
    ("Datetime(us, UTC)", datetime(2013, 7, 1, 14, tzinfo=EAST), NOON),
    ("Datetime(ms)", "2013-07-01T14:00:00+02:00", datetime(2013, 7, 1, 12)),
    ("Datetime(ns, UTC)", "2262-04-10T00:00:00Z", datetime(2262, 4, 10, tzinfo=UTC)),
    ("Duration(us)", timedelta(hours=1), timedelta(hours=1)),
    ("Duration(ms)", "90s", timedelta(seconds=90)),
    ("Duration(us)", "P1DT2H", timedelta(days=1, hours=2)),
    ("Duration(us)", "-PT90S", timedelta(seconds=-90)),
]


@pytest.mark.parametrize(("dtype", "given", "expected"), GOOD, ids=[f"{d} {g!r}" for d, g, _ in GOOD])
def test_a_value_of_the_type_is_taken_and_fits_the_frame(dtype: str, given: Any, expected: Any) -> None:
    found = decode(Field("x", dtype), given).values[0]
    assert found == expected
    assert type(found) is type(expected)
    frame = pl.DataFrame([[found]], schema={"x": dtype_of(dtype)}, orient="row")
    assert frame["x"].to_list() == [expected]


NAN, INF = float("nan"), float("inf")
BAD = [
    ("Boolean", 1, "is the number 1: expected true or false"),
    ("Boolean", "true", "is the text 'true': expected true or false"),
    ("Int8", 128, "is the number 128: expected a whole number (Int8)"),
    ("UInt8", -1, "is the number -1: expected a whole number (UInt8)"),
    ("Int64", 1.5, "is the number 1.5: expected a whole number"),
    ("Int64", True, "is true, a truth value: expected a whole number"),
    ("Int64", "7", "is the text '7': expected a whole number"),
    ("Int64", 2**63, "expected a whole number"),
    ("UInt64", 2**64, "expected a whole number"),
    ("Int64", float(EXACT * 2), "expected a whole number"),
    ("Int64", float(EXACT + 1), "expected a whole number"),  # it has been rounded to another one already
    ("Int64", NAN, "is the number nan"),
    ("Int64", INF, "is the number inf"),
    ("Float64", NAN, "is the number nan: expected a number"),
    ("Float64", -INF, "is the number -inf: expected a number"),
    ("Float64", 10**400, "expected a number"),
    ("Float64", True, "is true, a truth value: expected a number"),
    ("Float64", "1.5", "is the text '1.5': expected a number"),
    ("Float64", [1.5], "is an array: expected a number"),
    ("String", 5, "is the number 5: expected text"),
    ("String", {"a": 1}, "is an object: expected text"),
    ("String", "\ud800", r"is the text '\ud800': expected text"),
    ("Date", "2013-13-01", "expected a day such as"),
    ("Date", "2013-07-01T12:00:00Z", "expected a day such as"),
    ("Date", 20130701, "expected a day such as"),
    ("Time", "25:00", "expected a time of day"),
    ("Time", "17:30:00Z", "expected a time of day"),
    ("Time", 5, "expected a time of day"),
    ("Datetime(us, UTC)", "tomorrow", "is the text 'tomorrow': expected a moment such as 2013-07-01T12:00:00Z"),
    ("Datetime(us, UTC)", 1372680000, "expected a moment"),
    ("Datetime(us, UTC)", "0001-01-01T00:00:00+14:00", "expected a moment"),
    ("Datetime(ns, UTC)", "9999-01-01T00:00:00Z", "expected a moment"),
    ("Duration(us)", "soon", "expected a length of time"),
    ("Duration(us)", "PT", "expected a length of time"),
    ("Duration(us)", 90, "expected a length of time"),
]


@pytest.mark.parametrize(("dtype", "given", "says"), BAD, ids=[f"{d} {str(g)[:20]!a}" for d, g, _ in BAD])
def test_any_other_value_is_refused_in_one_writable_sentence(dtype: str, given: Any, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode(Field("x", dtype, nulls=0.5), given)
    assert str(caught.value).startswith("Row 3, field 'x' ")
    assert says in str(caught.value)
    assert str(caught.value).encode()
    assert caught.value.details == {"row": 3, "field": "x", "cause": "malformed:x"}


def row(fields: list[Field], given: Any, **policy: str) -> Asked:
    return Decoder(fields, [], None, Policy(**policy)).decode(given, 0, NOW)


FULL, HOLED = Field("weight", "Float64"), Field("coupon", "String", nulls=0.3, categories=["A", "B"])


def test_what_training_saw_missing_may_be_missing() -> None:
    assert row([FULL, HOLED], {"weight": 1, "coupon": None}) == Asked([1.0, None], None, NOW, [])
    assert row([FULL, HOLED], {"weight": 1}).warnings == ["'coupon' is missing"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"coupon": "A"}, "Row 0, field 'weight' is missing: expected a number"),
        ({"coupon": "A", "weight": None}, "Row 0, field 'weight' is null, which training never saw: expected a number"),
        ({"coupon": "A", "wieght": 2}, "expected a number; 'wieght' is not a field: did you mean 'weight'?"),
    ],
)
def test_what_training_never_saw_missing_is_refused_or_warned_of_by_the_contract(given: Any, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        row([FULL, HOLED], given)
    assert says in str(caught.value)
    answered = row([FULL, HOLED], given, missing="warn")
    assert answered.values == [None, "A"]
    assert answered.warnings[0] in ("'weight' is missing", "'weight' is null, which training never saw")


@pytest.mark.parametrize(
    ("given", "warns"), [(0, []), (50.0, []), (50.5, ["'x' is 50.5, outside the contract's range 0 to 50"])]
)
def test_a_number_beyond_the_contracts_range_is_warned_of(given: float, warns: list[str]) -> None:
    assert decode(Field("x", "Float64"), given, Policy(ranges={"x": [0, 50]})).warnings == warns


def test_an_unseen_category_is_warned_of_or_refused_by_the_contract() -> None:
    assert row([HOLED], {"coupon": "C"}).warnings == ["'coupon' is 'C', which training never saw"]
    with pytest.raises(RequestError, match="Row 0, field 'coupon' is 'C', which training never saw"):
        row([HOLED], {"coupon": "C"}, unseen="refuse")
    assert row([HOLED], {"coupon": None}, unseen="refuse").values == [None]


def test_an_unknown_field_is_named_with_the_nearest_known_one_even_where_another_is_left_out() -> None:
    warned = row([FULL, HOLED], {"weight": 1, "cupon": "A"}).warnings
    assert warned == ["'coupon' is missing", "'cupon' is not a field and was ignored: did you mean 'coupon'?"]
    assert len(row([FULL, HOLED], {"weight": 1, "coupon": "A", "u": 1, "v": 2}).warnings) == 2


@pytest.mark.parametrize("given", [None, 5, "text", [1, 2]])
def test_a_row_that_is_no_object_is_refused(given: Any) -> None:
    with pytest.raises(RequestError, match=r"Row 0 is .*: expected an object of fields such as 'weight', 'coupon'"):
        row([FULL, HOLED], given)


def test_a_field_of_a_type_that_cannot_be_a_name_is_ignored_with_a_warning() -> None:
    assert "'5' is not a field" in row([FULL], {"weight": 1, 5: 1}).warnings[0]


TIMED = Decoder([FULL], [Field("id", "Int64"), Field("day", "Date")], "asked_at", Policy())


def test_the_moment_of_decision_is_a_field_or_the_servers_clock() -> None:
    assert TIMED.decode({"weight": 1}, 0, NOW).decide_at == NOW
    assert TIMED.decode({"weight": 1, "asked_at": None}, 0, NOW).decide_at == NOW
    past = TIMED.decode({"weight": 1, "asked_at": "2013-07-01T14:00+02:00"}, 0, NOW)
    assert (past.decide_at, past.warnings) == (micros(NOON), [])
    ahead = TIMED.decode({"weight": 1, "asked_at": "2013-07-05T13:00Z"}, 0, micros(NOON))
    assert ahead.warnings == ["'asked_at' lies 4 days ahead: what becomes known until then is not known yet"]
    with pytest.raises(RequestError, match="field 'asked_at' is the text 'now': expected a moment"):
        TIMED.decode({"weight": 1, "asked_at": "now"}, 0, NOW)


def test_a_key_is_known_only_whole_and_is_no_unknown_field() -> None:
    whole = TIMED.decode({"weight": 1, "id": 2**60, "day": "2013-07-01"}, 0, NOW)
    assert whole.key == spell_key([2**60, date(2013, 7, 1)])
    assert whole.warnings == []
    assert TIMED.decode({"weight": 1, "id": 7}, 0, NOW).key is None
    with pytest.raises(RequestError, match="field 'id' is the text '7': expected a whole number"):
        TIMED.decode({"weight": 1, "id": "7", "day": "2013-07-01"}, 0, NOW)


def test_a_moment_in_a_key_is_spelt_in_utc() -> None:
    assert spell_key([as_moment("2013-07-01T14:00+02:00"), "x"]) == spell_key([NOON, "x"])


def test_a_number_beyond_what_models_compute_with_and_a_year_beyond_counting_are_refused() -> None:
    field = Field(name="x", dtype="Float64", nulls=0.0, low=None, high=None, categories=None)
    decoder = Decoder([field], [], "at", Policy())
    assert decoder.decode({"x": 3.4e38}, 0, 0).values == [3.4e38]
    with pytest.raises(RequestError, match="expected a number"):
        decoder.decode({"x": 1e300}, 0, 0)
    for year in ("0001", "9999"):
        with pytest.raises(RequestError, match="expected 1900 to 2200"):
            decoder.decode({"x": 1.0, "at": f"{year}-01-01T00:00:00Z"}, 0, 0)
