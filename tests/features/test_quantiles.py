"""Quantiles of the written arithmetic against those of Polars, bit by bit."""

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.features.arithmetic import quantile
from outlast.features.compiled import compile_lookup
from outlast.features.recognised import How
from outlast.project.declare import Source, window

WAYS = ["nearest", "linear", "lower", "higher", "midpoint", "equiprobable"]
SCHEMA = {"id": pl.Int64(), "at": pl.Datetime("us"), "x": pl.Float64(), "f": pl.Float32(), "n": pl.Int16()}


@pytest.mark.parametrize("between", WAYS)
@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), max_size=15),
    share=st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.floats(0, 1)),
)
def test_quantiles_are_those_of_polars(between: Any, values: list[float], share: float) -> None:
    got, expected = quantile(values, share, between), pl.Series(values, dtype=pl.Float64).quantile(share, between)
    assert got == expected or (got is not None and expected is not None and math.isnan(got) and math.isnan(expected))


def test_nulls_are_left_out() -> None:
    assert quantile([None, 0.0, 1.0], 0.9, "linear") == quantile([0.0, 1.0], 0.9, "linear") == 0.9


def compiled(expr: pl.Expr) -> tuple[str, How]:
    (output,) = compile_lookup(
        window(Source("s", "s.csv", key="id", time="at"), by="id", over="1h", q=expr), SCHEMA
    ).outputs
    return output.operation, output.how


@pytest.mark.parametrize(
    ("expr", "how"),
    [
        (pl.col("x").median(), How(share=0.5, between="linear")),
        (pl.col("n").quantile(0.25), How(share=0.25, between="nearest")),
        (pl.col("x").quantile(1, "midpoint"), How(share=1.0, between="midpoint")),
        ((pl.col("x") * 2).quantile(0.1, "linear"), How(share=0.1, between="linear")),
    ],
)
def test_quantiles_are_recognised(expr: pl.Expr, how: How) -> None:
    assert compiled(expr) == ("quantile", how)


@pytest.mark.parametrize("expr", [pl.col("f").median(), pl.col("x").sort().median()])
def test_other_quantiles_stay_with_polars(expr: pl.Expr) -> None:
    assert compiled(expr)[0] == "general"
