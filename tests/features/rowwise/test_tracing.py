"""What a function consists of is found, or the function is left alone."""

import functools
import os
import random
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from outlast.features.rowwise import row_function, traced

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = pl.Schema(
    {
        "a": pl.Int32, "x": pl.Float64, "s": pl.String, "p": pl.Boolean, "d": pl.Date, "t": pl.Datetime("us", "UTC"),
        "n": pl.Datetime("us"), "small": pl.Float32, "fine": pl.Datetime("ns"),
    }
)  # fmt: skip
x, a = pl.col("x"), pl.col("a")
Function = Callable[[Any], Any]


def wants_pandas(rows: "pd.DataFrame") -> "pd.DataFrame":
    return rows


def counted(rows: Any) -> Any:
    counted.calls += 1  # type: ignore[attr-defined]
    return rows.select(z=x + counted.calls)  # type: ignore[attr-defined]


counted.calls = 0  # type: ignore[attr-defined]


def helped(rows: Any) -> Any:
    return rows.select(z=_hour("t"))


def _hour(name: str) -> pl.Expr:
    return pl.col(name).dt.hour()


class Scale:
    def __call__(self, rows: Any) -> Any:
        return rows.select(z=x * 3)


TRACED: dict[str, tuple[Function, int]] = {
    "named": (lambda rows: rows.select(z=x + 1), 1),
    "listed": (lambda rows: rows.select([(x + 1).alias("z"), (a * 2).alias("y")]), 2),
    "a column by its name": (lambda rows: rows.select(z="x"), 1),
    "a helper": (helped, 1),
    "an object": (Scale(), 1),
    "a partial": (functools.partial(lambda rows, by: rows.select(z=x * by), by=2.5), 1),
    "a loop over columns": (lambda rows: rows.select(**{f"no_{n}": pl.col(n).is_null() for n in rows.columns[:5]}), 5),
    "by type": (lambda rows: rows.select(pl.col(pl.Int32, pl.Boolean).is_null().name.suffix("_null")), 2),
    "a constant among columns": (lambda rows: rows.select(z=x, one=1.5), 2),
    "a constant that Polars makes": (lambda rows: rows.select(z=pl.col("t") + pl.duration(hours=1)), 1),
    "a constant day": (lambda rows: rows.select(z=pl.col("d") > date(2020, 1, 1)), 1),
    "several calls": (lambda rows: rows.with_columns(h=x / 7).with_columns(g=pl.col("h") * 2).select("g", k="h"), 2),
    "a chain under one name": (lambda rows: rows.with_columns(x=x / 7).select(z="x"), 1),
}
REFUSED: dict[str, Function] = {
    "an aggregation": lambda rows: rows.select(z=x - x.mean()),
    "a window": lambda rows: rows.select(z=x.mean().over("s")),
    "a rank": lambda rows: rows.select(z=x.rank()),
    "a neighbour": lambda rows: rows.select(z=x.shift()),
    "a running sum": lambda rows: rows.select(z=x.cum_sum()),
    "a difference of rows": lambda rows: rows.select(z=x.diff()),
    "a rolling mean": lambda rows: rows.select(z=x.rolling_mean(2)),
    "what came before": lambda rows: rows.select(z=x.forward_fill()),
    "whether it came before": lambda rows: rows.select(z=x.is_first_distinct()),
    "the number of rows": lambda rows: rows.select(z=x / pl.len()),
    "the row's number": lambda rows: rows.select(z=pl.int_range(pl.len())),
    "another order": lambda rows: rows.select(z=x.reverse()),
    "sorted": lambda rows: rows.select(z=x.sort()),
    "chance in Polars": lambda rows: rows.select(z=x.shuffle()),
    "a sample": lambda rows: rows.select(z=x.sample(fraction=1.0)),
    "a function of Python on elements": lambda rows: rows.select(z=x.map_elements(abs, return_dtype=pl.Float64)),
    "a function of Python on columns": lambda rows: rows.select(z=x.map_batches(lambda s: s, return_dtype=pl.Float64)),
    "a function of NumPy": lambda rows: rows.select(z=np.sin(x)),
    "now": lambda rows: rows.select(z=pl.lit(datetime.now()) - pl.col("n")),
    "today": lambda rows: rows.select(z=pl.col("d") < date.today()),
    "the clock by the day": lambda rows: rows.select(z=x + time.time() // 86400),
    "chance in Python": lambda rows: rows.select(z=x + random.random()),
    "chance in NumPy": lambda rows: rows.select(z=x + float(np.random.default_rng().normal())),
    "the environment": lambda rows: rows.select(z=x + len(os.environ.get("HOME", ""))),
    "a file": lambda rows: rows.select(z=x + len(Path(__file__).read_text())),
    "a file by Polars": lambda rows: rows.select(z=x + pl.read_csv(__file__, separator="\x00").height),
    "a counter": counted,
    "pandas": wants_pandas,
    "a value": lambda rows: rows.select(z=rows["x"].mean() + x),
    "a series": lambda rows: rows.select(z=pl.Series([1.0, 2.0])),
    "the height": lambda rows: rows.select(z=x + rows.height),
    "the length": lambda rows: rows.select(z=x + len(rows)),
    "each row": lambda rows: rows.select(z=sum(1 for _ in rows.iter_rows())),
    "fewer rows": lambda rows: rows.filter(x > 0).select(z=x),
    "another frame": lambda rows: pl.DataFrame({"z": [1]}),
    "nothing": lambda rows: None,
    "the rows themselves": lambda rows: rows,
    "a column that is there": lambda rows: rows.select("x"),
    "the columns that are there": lambda rows: rows.with_columns(z=x),
    "a column that is not": lambda rows: rows.select(z=pl.col("nope")),
    "two of one name": lambda rows: rows.select(x.alias("z"), a.alias("z")),
    "an error": lambda rows: 1 / 0,
    "constants alone": lambda rows: rows.select(z=pl.lit(1)),
    "a constant in between": lambda rows: rows.with_columns(k=pl.lit(7.0)).select(z=x / pl.col("k")),
    "small floats": lambda rows: rows.select(z=pl.col("small") * 2),
    "nanoseconds": lambda rows: rows.select(z=pl.col("fine").dt.hour()),
    "a pattern": lambda rows: rows.select(z=pl.col("s").str.contains("^a|b$")),
    "a time that may not be": lambda rows: rows.select(z=pl.col("n").dt.replace_time_zone("Europe/Berlin")),
    "a day in a zone": lambda rows: rows.select(
        z=pl.col("t").dt.convert_time_zone("Europe/Berlin").dt.truncate("1d")
    ),
    "three floats in no order": lambda rows: rows.select(z=pl.sum_horizontal(x, x / 3, x * 7)),
    "what is not listed": lambda rows: rows.select(z=pl.col("s").replace_strict({"a": 1})),
    "a struct": lambda rows: rows.select(z=pl.struct("a", "x")),
    "a list": lambda rows: rows.select(z=pl.concat_list("a", "a")),
}  # fmt: skip


@pytest.mark.parametrize("what", TRACED)
def test_a_function_of_expressions_becomes_one_of_a_row(what: str) -> None:
    function, width = TRACED[what]
    found = row_function(function, SCHEMA)
    assert found is not None
    assert len(found.names) == width


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
def test_what_cannot_be_promised_is_left_to_the_frame(what: str) -> None:
    assert row_function(REFUSED[what], SCHEMA) is None


def test_the_expressions_are_those_of_one_select_or_with_columns() -> None:
    found = traced(lambda rows: rows.select("a", z=x + 1), SCHEMA)
    assert found is not None
    assert [expr.meta.output_name() for expr in found] == ["a", "z"]
    assert [expr.meta.root_names() for expr in found] == [["a"], ["x"]]
    assert traced(lambda rows: rows.with_columns(h=x).select(z=pl.col("h")), SCHEMA) is None
    assert traced(lambda rows: rows, SCHEMA) is None


def test_a_profiler_that_runs_is_back_afterwards() -> None:
    import sys

    seen: list[str] = []

    def profiler(frame: Any, event: str, called: Any) -> None:
        seen.append(event)

    sys.setprofile(profiler)
    try:
        row_function(TRACED["named"][0], SCHEMA)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
