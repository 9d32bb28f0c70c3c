"""The entity of one row is spelt as the entities of a whole column are, whatever the types on either side."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from outlast.errors import FeatureError
from outlast.features.compiled import compile_lookup
from outlast.features.entities import require_comparable, speller
from outlast.features.facts import spelled
from outlast.features.online import entities_of
from outlast.project.declare import Source, latest

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["7", "-1", "007", "true", " "])
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    pl.String(): words,
    pl.Int8(): st.integers(-128, 127),
    pl.Int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 300),
    pl.UInt8(): st.integers(0, 255),
    pl.UInt64(): st.integers(0, 2**64 - 1),
    pl.Float64(): st.floats(-1e6, 1e6) | st.integers(-3, 9).map(float),
    pl.Boolean(): st.booleans(),
    pl.Date(): st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    pl.Datetime("us"): moments,
    pl.Datetime("ms", "UTC"): moments.map(lambda m: pl.Series([m]).dt.replace_time_zone("UTC")[0]),
    pl.Duration("us"): st.timedeltas(timedelta(days=-9), timedelta(days=9)),
}
TYPES = st.sampled_from(list(VALUES))


def compiled(facts: dict[str, pl.DataType]) -> Any:
    source = Source("s", "s.csv", key="key", time="at")
    schema = {"key": pl.Int64(), "at": pl.Datetime("us"), "v": pl.Int64(), **facts}
    return compile_lookup(latest(source, "v", by={f"a{name}": name for name in facts}), schema)


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.lists(st.tuples(TYPES, TYPES), min_size=1, max_size=3))
def test_a_row_alone_is_spelt_as_in_a_column(data: st.DataObject, types: list[tuple[Any, Any]]) -> None:
    lookup = compiled({f"f{index}": fact for index, (_, fact) in enumerate(types)})
    asks = {f"af{index}": ask for index, (ask, _) in enumerate(types)}
    try:
        require_comparable(lookup, asks)
    except FeatureError:
        reject()
    row = [data.draw(st.none() | VALUES[ask]) for ask, _ in types]
    expected = in_a_column(lookup, asks, row)
    spell = speller(lookup, asks, {name: index for index, name in enumerate(asks)})
    try:
        found = spell(row)
    except pl.exceptions.PolarsError as error:
        found = type(error).__name__
    assert found == expected


def in_a_column(lookup: Any, asks: dict[str, pl.DataType], row: list[Any]) -> str | None:
    """What a frame of several rows gives for the middle one, or what Polars says of types that do not go together."""
    nothing = [None] * len(row)
    frame = pl.DataFrame([nothing, row, nothing], schema=asks, orient="row")
    try:
        return entities_of(lookup, frame)[1]
    except pl.exceptions.PolarsError as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("ask", "fact", "value", "expected"),
    [
        (pl.Int64(), pl.Int8(), 200, None),
        (pl.Int64(), pl.Int8(), -7, "-7"),
        (pl.Int64(), pl.UInt64(), -1, None),
        (pl.Int8(), pl.Int64(), 5, "5"),
        (pl.Int64(), pl.String(), 2**53 + 1, "9007199254740993"),
        (pl.String(), pl.Int64(), "12", "12"),
        (pl.String(), pl.Int64(), "N12", None),
    ],
)
def test_an_entity_that_no_fact_can_have_is_none(ask: Any, fact: Any, value: Any, expected: str | None) -> None:
    assert speller(compiled({"f": fact}), {"af": ask}, {"af": 0})([value]) == expected


def test_a_fact_of_text_is_found_by_a_question_of_numbers() -> None:
    frame = pl.DataFrame({"f": ["7"]})
    assert frame.select(spelled(["f"])).item() == speller(compiled({"f": pl.String()}), {"af": pl.Int8()}, {"af": 0})(
        [7]
    )


@pytest.mark.parametrize(
    ("ask", "fact"), [(pl.Int64(), pl.Datetime("us")), (pl.Date(), pl.Int64()), (pl.Duration(), pl.Date())]
)
def test_a_number_does_not_name_a_moment(ask: Any, fact: Any) -> None:
    with pytest.raises(FeatureError, match=r"looks 'af' \(.+\) up as 'f' \(.+\): expected columns of one kind"):
        require_comparable(compiled({"f": fact}), {"af": ask})


@pytest.mark.parametrize(
    ("ask", "fact"), [(pl.String(), pl.Date()), (pl.Datetime("ms"), pl.Date()), (pl.Int8(), pl.Float64())]
)
def test_what_can_be_compared_is_let_through(ask: Any, fact: Any) -> None:
    require_comparable(compiled({"f": fact}), {"af": ask})
