"""Functions that hang on more than their row are caught, with the column, two values and the usual cause."""

import random
import time
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from outlast.errors import FeatureError
from outlast.features.functions import apply
from outlast.features.invariance import prove, sample

CHANCE = np.random.default_rng(1)
SEEN: dict[str, int] = {}


def rows(height: int) -> pl.DataFrame:
    words = [["a", "b", "c", None][i] for i in CHANCE.integers(0, 4, height)]
    whole = pl.Series(CHANCE.integers(0, 1000, height)).set(pl.Series(CHANCE.random(height) < 0.1), None)
    return pl.DataFrame({"n": whole, "weight": CHANCE.normal(size=height), "shop": words})


GIVEN = rows(5_000)


def tried(function: Callable[..., Any], given: pl.DataFrame = GIVEN) -> int:
    return prove([function], given, given.hstack(apply(function, given)))


def centred(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(centred=pl.col("weight") - pl.col("weight").mean())


def ranked(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(place=pl.col("weight").rank())


def before(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(before=pl.col("weight").shift(1))


def within(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(within=pl.col("weight").max().over("shop"))


def dummies(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(rows["shop"])


def coded(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"code": rows["shop"].astype("category").cat.codes})


def usual_weight(rows: pl.DataFrame) -> float:
    return rows["weight"].median()  # type: ignore[return-value]


def by_a_helper(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(above=pl.col("weight") > usual_weight(rows))


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    SEEN["calls"] = SEEN.get("calls", 0) + 1
    return rows.select(calls=pl.col("n") + SEEN["calls"])


def learnt(rows: pl.DataFrame) -> pl.DataFrame:
    """Fitted state smuggled in: the first rows it sees decide."""
    SEEN.setdefault("usual", int(rows["n"].drop_nulls().sum()))
    return rows.select(beyond=pl.col("n") > SEEN["usual"] / 5_000)


def remembered(rows: pl.DataFrame) -> pl.DataFrame:
    """The most seen so far: later calls change what earlier rows get."""
    SEEN["most"] = max(SEEN.get("most", 0), rows.height)
    SEEN["turns"] = SEEN.get("turns", 0) + (rows.height <= 2)  # a row alone comes twice
    return rows.select(most=pl.col("n") * (1 if SEEN["turns"] < 3 else 2))


def aged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(age=pl.lit(time.time_ns()) - pl.col("n"))


def this_year(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(since=pl.lit(date.today().year) - pl.col("n"))


def this_hour(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"since": pd.Timestamp.now().year - rows["n"]})


def tossed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(noise=pl.col("n") + random.random())


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (centred, r"'centred' by more than its row: row \d+ \(n=.*\) has .* among 5,000 rows and .* among 256 of them; "
                  r"'mean' in test_invariance.py, line \d+, .*: do it in fit"),
        (ranked, r"'place' .*'rank' in"),
        (before, r"'before' .*'shift' in .* looks at the rows beside a row: declare latest"),
        (within, r"'within' .*'over' in .*: declare window"),
        (dummies, r"a column '.*' among .* rows and not .*'get_dummies' in .*OneHotEncoder in fit's pipeline"),
        (coded, r"'code' .*and 0 (alone|among).*'codes' in .*OrdinalEncoder in fit's pipeline"),
        (by_a_helper, r"'above' .*'median' in"),
        (counted, r"'calls' .* in one call and .* in the next call of the same rows; 'global' in .*keep nothing"),
        (remembered, r"'most' .*'global' in .*keep nothing between calls"),
        (aged, r"'age' .*'time_ns' in .* reads the clock: ask for the moment"),
        (this_year, r"'this_year' reads the clock \(datetime.today\)"),
        (this_hour, r"'this_hour' reads the clock \(Timestamp.now\)"),
        (tossed, r"'noise' .*'random' in .* is chance"),
    ],
)  # fmt: skip
def test_it_is_caught_with_its_cause_and_what_to_do(function: Callable[..., Any], says: str) -> None:
    SEEN.clear()
    with pytest.raises(FeatureError, match=says):
        tried(function)


def test_fitted_state_is_caught_where_the_first_rows_differ() -> None:
    """It learns from the first call, so all calls of one process agree: another process learns something else."""
    SEEN.clear()
    given = GIVEN.drop_nulls()
    whole = given.hstack(apply(learnt, given))
    SEEN.clear()  # as in a server, which sees other rows first
    with pytest.raises(FeatureError, match=r"'beyond' .* among .* rows and .* of them"):
        prove([learnt], given, whole)


def test_few_rows_are_enough_for_the_usual_faults() -> None:
    for function in (centred, ranked, before, within, dummies, coded):
        with pytest.raises(FeatureError, match=r"more than its row|a column"):
            tried(function, GIVEN.head(40))


def test_a_function_that_fails_alone_is_told() -> None:
    def second(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(third=pl.col("n") * int(rows["shop"].n_unique() > 2 or 1 / 0))

    with pytest.raises(FeatureError, match="Function 'second' fails on a row alone where it took all of them: ZeroDiv"):
        tried(second)


def with_missing(rows: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers come as floats wherever one of them is missing: the same numbers all the same."""
    return pd.DataFrame({"double": rows["n"] * 2, "named": rows["shop"].fillna("?")})


def rowwise(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(part=pl.col("weight") / 60, odd=pl.col("n") % 2 == 1, text=pl.col("shop") + "x")


@pytest.mark.parametrize("function", [with_missing, rowwise])
@pytest.mark.parametrize("height", [1, 2, 30, 5_000])
def test_what_follows_from_the_row_alone_passes(function: Callable[..., Any], height: int) -> None:
    assert tried(function, GIVEN.head(height)) == min(height, 256)


def test_two_functions_are_told_apart() -> None:
    given = GIVEN.head(100)
    whole = given.hstack(apply(rowwise, given)).hstack(apply(centred, given))
    with pytest.raises(FeatureError, match="Function 'centred'"):
        prove([rowwise, centred], given, whole)
    assert prove([rowwise, with_missing], given, given.hstack(apply(rowwise, given)).hstack(apply(with_missing, given)))


def test_the_sample_has_each_column_s_odd_rows_and_is_always_the_same() -> None:
    given = GIVEN.with_columns(rare=pl.when(pl.int_range(pl.len()) != 4_321).then(1.0))
    places = sample(given)
    assert len(places) == len(set(places)) == 256
    assert {4_321, given["weight"].arg_min(), given["weight"].arg_max()} <= set(places)
    assert places == sample(given)


def test_a_million_rows_cost_seconds_at_most() -> None:
    million = rows(1_000_000)
    whole = million.hstack(apply(rowwise, million)).hstack(apply(with_missing, million))
    begin = time.perf_counter()
    assert prove([rowwise, with_missing], million, whole) == 256
    assert time.perf_counter() - begin < 5


def test_moments_and_words_are_compared_too() -> None:
    given = pl.DataFrame({"at": [datetime(2024, 1, 1, hour) for hour in range(24)]})

    def later(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(last=pl.col("at").max())

    with pytest.raises(FeatureError, match=r"returned 1 rows|'last'"):
        tried(later, given)
    assert tried(lambda rows: rows.select(later=pl.col("at").dt.offset_by("1h")), given) == 24
