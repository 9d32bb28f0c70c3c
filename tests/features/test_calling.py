"""What a function does wrong is told with its name, and with a row where one alone does it."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pytest
from polars.exceptions import PanicException

from outlast.errors import FeatureError
from outlast.features.calling import with_functions

KNOWN = pl.DataFrame({"n": [*range(1, 38), 0, *range(38, 50)], "shop": ["a"] * 50})


def divided(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"share": [1 / n for n in rows["n"].to_list()]})


def in_pandas(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"half": rows["m"] / 2})


def many(rows: pl.DataFrame) -> pl.DataFrame:
    if rows.height > 2:
        raise RuntimeError
    return rows.select(m=pl.col("n"))


def mistaken(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(m=pl.col("nn"))


def summed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(total=pl.col("n").sum())


def listed(rows: pl.DataFrame) -> Any:
    return rows["n"].to_list()


def taken(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(shop=pl.col("shop") + "b")


SEES = "it sees what is asked and looked up: n, shop"
FAULTS: list[tuple[Callable[..., Any], str]] = [
    (divided, r"Function 'divided' fails on row 37 \(n=0, shop='a'\): ZeroDivisionError: division by zero"),
    (in_pandas, f"Function 'in_pandas' fails on row 0 .*KeyError: 'm'; {SEES}"),
    (many, "Function 'many' fails on 50 rows together: RuntimeError$"),
    (mistaken, f"Function 'mistaken' fails on row 0 .*ColumnNotFoundError: .*nn.*{SEES}"),
    (summed, "Function 'summed' returned 1 rows for 50"),
    (listed, "Function 'listed' returned a list: expected a frame"),
    (taken, "Function 'taken' returns 'shop', which is there already"),
]


@pytest.mark.parametrize(("function", "says"), FAULTS, ids=[function.__name__ for function, _ in FAULTS])
def test_a_fault_is_a_sentence_with_the_functions_name(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(FeatureError, match=says) as caught:
        with_functions([function], KNOWN)
    assert "\n" not in str(caught.value)


def test_two_functions_do_not_give_one_column() -> None:
    def other(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(twice=pl.col("n") + pl.col("n"))

    def twice(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(twice=pl.col("n") * 2)

    assert with_functions([twice], KNOWN).columns == ["n", "shop", "twice"]
    with pytest.raises(FeatureError, match="Functions 'twice' and 'other' both return a column 'twice'"):
        with_functions([twice, other], KNOWN)


def test_a_panic_inside_polars_is_told_like_any_other_error() -> None:
    def panics(rows: pl.DataFrame) -> pl.DataFrame:
        raise PanicException("index out of bounds")

    with pytest.raises(FeatureError, match=r"Function 'panics' fails on row 0 .*PanicException: index out of bounds"):
        with_functions([panics], KNOWN)
