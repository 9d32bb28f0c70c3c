"""Functions of either library: one value per row, new names only, and a sentence where it is otherwise."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pytest

from outlast import Source, window
from outlast.errors import DataError, FeatureError
from outlast.features.compiled import compile_lookup
from outlast.features.functions import apply, wants_pandas

ROWS = pl.DataFrame({"n": [3, 1, 2]})


def by_polars(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(twice=pl.col("n") * 2)


def by_pandas(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": rows["n"] * 2})


def by_name(rows: "pd.DataFrame") -> Any:
    return (rows["n"] * 2).rename("twice")


@pytest.mark.parametrize("function", [by_polars, by_pandas, by_name, lambda rows: (rows["n"] * 2).alias("twice")])
@pytest.mark.parametrize("height", [1, 2, 3])
def test_a_function_gives_one_value_per_row(function: Callable[..., Any], height: int) -> None:
    assert apply(function, ROWS.head(height))["twice"].to_list() == [6, 2, 4][:height]


def test_the_annotation_says_which_library() -> None:
    assert [wants_pandas(one) for one in (by_polars, by_pandas, by_name, len, lambda: None)] == [0, 1, 1, 0, 0]


def test_a_lazy_frame_is_collected() -> None:
    assert apply(lambda rows: rows.lazy().select(m=-pl.col("n")), ROWS)["m"].to_list() == [-3, -1, -2]


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (
            lambda rows: rows.select(pl.col("n").mean().alias("m")),
            "returned 1 rows for 3: a function gives exactly one",
        ),
        (lambda rows: rows, "returns 'n', which is there already: return only new columns"),
        (lambda rows: [1, 2, 3], "returned a list: expected a frame of new columns"),
    ],
)
def test_what_else_it_gives_is_told(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(FeatureError, match=says):
        apply(function, ROWS)


def test_moments_with_a_zone_come_back_from_pandas_in_utc() -> None:
    def later(rows: pd.DataFrame) -> pd.DataFrame:
        moved = rows["at"] + pd.Timedelta("1h")
        return pd.DataFrame({"later": moved, "there": moved.dt.tz_convert("Asia/Tokyo")})

    at = pl.Series("at", [datetime(2024, 1, 1, tzinfo=UTC), None], dtype=pl.Datetime("us", "UTC"))
    found = apply(later, pl.DataFrame([at]))
    assert found["later"].to_list() == found["there"].to_list() == [datetime(2024, 1, 1, 1, tzinfo=UTC), None]


def test_values_of_several_types_are_told() -> None:
    def mixed(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"odd": [1, "two", 3.0]})

    with pytest.raises(DataError, match=r"Function 'mixed' got a pandas frame whose values cannot be kept"):
        apply(mixed, ROWS)


def test_a_list_is_no_feature() -> None:
    def both(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(pair=pl.concat_list("a", "a"))

    with pytest.raises(FeatureError, match=r"'both' returns 'pair' of type List\(Int64\): a feature is one value"):
        apply(both, pl.DataFrame({"a": [1, 2]}))
    facts = Source("facts", "facts.parquet", key="a", time="at")
    lists = window(facts, by="a", over="1d", every=pl.col("a").implode())
    with pytest.raises(FeatureError, match=r"gives a List\(Int64\): a feature is one value"):
        compile_lookup(lists, {"a": pl.Int64(), "at": pl.Datetime("us", "UTC")})
