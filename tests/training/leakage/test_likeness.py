"""One column held against the label: twins are found however they are written, honest columns are not."""

import numpy as np
import polars as pl
import pytest

from outlast.training.leakage.likeness import likeness

RNG = np.random.default_rng(11)
ROWS = 4_000
AMOUNT = RNG.normal(size=ROWS)
YES = (AMOUNT > 0.8).astype(np.int64)
MANY = RNG.integers(0, 3, ROWS)


def missing_when_no() -> pl.Series:
    return pl.Series(np.where(YES == 1, 1.0, np.nan)).fill_nan(None)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(AMOUNT),
        pl.Series(-AMOUNT),
        pl.Series(np.abs(AMOUNT - 2.0) < 1.2),
        pl.Series(np.where(YES == 1, "paid late", "paid")),
        pl.Series(YES == 1),
        missing_when_no(),
        pl.Series(AMOUNT).rank().cast(pl.Int64).cast(pl.Datetime("us")),
    ],
)
def test_a_twin_of_the_label_is_found(column: pl.Series) -> None:
    found = likeness(column, YES, "binary")
    assert found is not None
    assert found > 0.99


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(AMOUNT + RNG.normal(size=ROWS)),
        pl.Series([f"O-{n}" for n in range(ROWS)]),
        pl.Series(np.arange(ROWS)),
        pl.Series([None] * ROWS, dtype=pl.Float64),
        pl.Series(["same"] * ROWS),
    ],
)
def test_an_honest_column_is_not(column: pl.Series) -> None:
    found = likeness(column, YES, "binary")
    assert found is not None
    assert 0.4 < found < 0.95


def test_a_class_of_many_and_an_amount() -> None:
    assert likeness(pl.Series(MANY == 2), MANY, "multiclass") == pytest.approx(1)
    assert (likeness(pl.Series(AMOUNT), MANY, "multiclass") or 0) < 0.6
    assert (likeness(pl.Series(np.exp(AMOUNT)), AMOUNT, "regression") or 0) > 0.999
    assert (likeness(pl.Series(AMOUNT + RNG.normal(size=ROWS)), AMOUNT, "regression") or 1) < 0.6


def test_too_few_rows_say_nothing() -> None:
    assert likeness(pl.Series([1.0, 0.0] * 10), np.array([1, 0] * 10), "binary") is None
    assert likeness(pl.Series([1.0, 0.0] * 10), np.array([1.0, 0.0] * 10), "regression") is None
