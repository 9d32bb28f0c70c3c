"""A row computed by steps has the bits that the frame gives it among others."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from outlast.errors import OutlastError
from outlast.features.functions import apply
from outlast.features.online import frame_of
from outlast.features.rowwise import row_function, row_values
from outlast.features.rowwise.refusal import Refused
from outlast.features.rowwise.rows import RowFunction, compiled
from outlast.features.rowwise.samples import spelt
from outlast.features.rowwise.tracing import stages_of
from tests.features.rowwise.expressions import ANY, CHANGES, SCHEMA, ZONES, column_of, frames, value_of

FAILS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OutlastError, ValueError, OverflowError)
"""The last two come from Python, where a moment lies beyond the years that it knows."""


def selecting(*exprs: pl.Expr) -> Any:
    return lambda rows: rows.select(*(expr.alias(f"new{n}") for n, expr in enumerate(exprs)))


def by_steps(function: Any, schema: pl.Schema) -> RowFunction | None:
    """Compiled, without the samples that would hide a fault here."""
    try:
        return compiled(function, schema, stages_of(function, schema))
    except Refused:
        return None


def require_alike(function: Any, steps: RowFunction, rows: pl.DataFrame) -> None:
    """All rows at once; where the frame fails over one of them, each for itself."""
    try:
        expected = apply(function, rows)
        wanted = expected.rows()
    except FAILS:
        for place in range(rows.height):
            require_row_alike(function, steps, rows[place : place + 1])
        return
    assert dict(expected.schema) == dict(steps.schema)
    for row, one in zip(rows.rows(), wanted, strict=True):
        assert spelt(steps(row)) == spelt(one), row


def require_row_alike(function: Any, steps: RowFunction, row: pl.DataFrame) -> None:
    try:
        wanted = apply(function, row).row(0)
    except FAILS as error:
        with pytest.raises(type(error)):
            steps(row.row(0))
        return
    assert spelt(steps(row.row(0))) == spelt(wanted)


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(ANY, ANY, frames(SCHEMA))
def test_any_expression_has_the_bits_of_the_frame(a: pl.Expr, b: pl.Expr, rows: pl.DataFrame) -> None:
    function = selecting(a, b)
    steps = by_steps(function, rows.schema)
    if steps is not None:
        require_alike(function, steps, rows)


ROWS = 400
x, y, s = pl.col("x"), pl.col("y"), pl.col("s")
EXACT = {
    "a quotient by a constant": x / 60,
    "a quotient of a constant": 60 / x,
    "a rest": x % 0.1,
    "whole quotients": pl.col("int64a") / 7,
    "a wrap": pl.col("int8a") * pl.col("int8b") + pl.col("int8a"),
    "a product and a sum": x * y - y,
    "a whole division by nothing": pl.col("int32a") // 0,
    "rounded": x.round(2),
    "curves": (x.sin() + x.abs().log1p()) / x.exp(),
    "logarithms": x.log() - x.log10() + x.abs().sqrt() + x.log(3),
    "no number among numbers": (x > y) | (x == y),
    "null among truth values": (pl.col("p") & pl.col("q")) | (x > 0),
    "two of three": pl.coalesce(x, y, 0.5) + pl.sum_horizontal(x, y),
    "a rush hour": pl.col("tu").dt.hour().is_between(6, 9) & ~pl.col("tu").dt.weekday().is_in([6, 7]),
    "a season": (pl.col("t").dt.ordinal_day() * 2 * 3.141592653589793 / 365.25).cos(),
    "a week": pl.col("tn").dt.iso_year().cast(pl.Int64) * 100 + pl.col("tn").dt.week(),
    "a wait": (pl.col("tu") - pl.col("tn").dt.convert_time_zone("UTC")).dt.total_minutes(),
    "days between": (pl.col("d") - pl.col("e")) / timedelta(days=1),
    "text": pl.concat_str(s.str.to_uppercase(), pl.col("u").str.slice(-2), separator="-"),
    "a code": s.replace_strict({"a": 1.0, "UA": 2.5}, default=None),
    "several ways": pl.when(x > 1).then(pl.lit("hi")).when(x < 0).then(s).otherwise(pl.lit("mid")),
}


def some_rows(height: int) -> pl.DataFrame:
    chance = Random(7)
    columns = []
    for name, dtype in SCHEMA.items():
        values = [None if chance.random() < 0.1 else value_of(dtype, chance) for _ in range(height)]
        columns.append(column_of(name, values, dtype))
    return pl.DataFrame(columns)


@pytest.mark.parametrize("what", EXACT)
def test_what_people_write_is_computed_by_steps_and_alike(what: str) -> None:
    rows = some_rows(ROWS)
    function = selecting(EXACT[what])
    steps = row_function(function, rows.schema)
    assert steps is not None
    require_alike(function, steps, rows)


ENDS = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, 2.5]


@pytest.mark.parametrize("constant", [*ENDS, 2.0])
def test_constants_that_polars_takes_short_cuts_with(constant: float) -> None:
    """It leaves a zero out of a sum, for one, so that the sign of another zero stays."""
    k, rows = pl.lit(constant, dtype=pl.Float64), pl.DataFrame({"x": ENDS})
    sums = [x + k, k + x, x - k, k - x, x * x + k, x * k + x, x - x * k, k - x * x, x * k - x, k * x + k, k - k * x]
    products = [x * k, k * x, x / k, k / x, x // k, k // x, x % k, k % x]
    for expr in [*sums, *products, x == k, x < k, x.fill_nan(k), x.is_in([constant]), pl.min_horizontal(x, k)]:
        function = selecting(expr)
        steps = by_steps(function, rows.schema)
        if steps is not None:
            require_alike(function, steps, rows)


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("at").dt.convert_time_zone("America/New_York")
    return rows.select(minute=local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute(), weekday=local.dt.weekday())


def test_ordinary_rows_need_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=37 * n) for n in range(15_000)]
    rows = pl.DataFrame({"at": moments}, schema={"at": pl.Datetime("us", "UTC")})
    steps = row_function(calendar, rows.schema)
    assert steps is not None
    assert steps.names == ["minute", "weekday"]
    monkeypatch.setattr(RowFunction, "by_frame", None)
    assert [tuple(steps(row)) for row in rows.rows()] == apply(calendar, rows).rows()


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_around_a_change_of_the_clocks(zone: str) -> None:
    seconds = [change + 300 * n - 3 * 3600 for change in CHANGES for n in range(72)]
    rows = pl.DataFrame({"at": pl.Series(seconds).cast(pl.Int64) * 1_000_000}).cast(pl.Datetime("us", "UTC"))
    local = pl.col("at").dt.convert_time_zone(zone)
    function = selecting(local, local.dt.replace_time_zone(None), local.dt.date(), local.dt.hour(), local.dt.minute())
    steps = row_function(function, rows.schema)
    assert steps is not None
    require_alike(function, steps, rows)


def test_a_row_that_cannot_be_promised_is_computed_by_a_frame() -> None:
    schema = pl.Schema({"s": pl.String})
    steps = row_function(selecting(s.str.to_uppercase()), schema)
    assert steps is not None
    assert steps(["straße"]) == ["STRASSE"]


def test_what_the_frame_refuses_the_row_refuses_alike() -> None:
    schema = pl.Schema({"s": pl.String, "p": pl.Boolean})
    steps = row_function(selecting(pl.when("p").then(s.cast(pl.Int64)).otherwise(0)), schema)
    assert steps is not None
    assert steps(["12", True]) == [12]
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion"):
        steps(["twelve", True])


def test_a_function_that_differs_on_the_samples_is_not_taken() -> None:
    def two_faced(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(z=x * (2 if isinstance(rows, pl.DataFrame) else 3))

    assert row_function(two_faced, pl.Schema({"x": pl.Float64})) is None


RAW: dict[str, tuple[pl.DataType, Sequence[Any]]] = {
    "whole": (pl.Int8(), [5, -128, None]),
    "number": (pl.Float64(), [1.5, 3, float("nan"), -0.0, None]),
    "small": (pl.Float32(), [0.1, 3, 1e38, None]),
    "text": (pl.String(), ["a", "ß", "", None]),
    "truth": (pl.Boolean(), [True, False, None]),
    "moment": (pl.Datetime("us"), [datetime(2020, 2, 29, 1, 2, 3, 4), 1_583_650_800_000_000, -1, None]),
    "utc": (pl.Datetime("us", "UTC"), [datetime(2020, 2, 29, 1, tzinfo=UTC), 1_583_650_800_000_000, None]),
    "zoned": (
        pl.Datetime("us", "America/New_York"),
        [
            datetime(2020, 11, 1, 5, 30, tzinfo=UTC),
            datetime(2020, 11, 1, 6, 30, tzinfo=UTC),
            1_604_212_200_000_000,
            None,
        ],
    ),
    "coarse": (pl.Datetime("ms"), [datetime(1969, 2, 28, 1, 2, 3, 4567), datetime(2020, 1, 1), -1234, None]),
    "fine": (pl.Datetime("ns"), [datetime(1969, 2, 28, 1, 2, 3, 4567), -1_234_567, None]),
    "day": (pl.Date(), [date(2020, 2, 29), -7, None]),
    "time": (pl.Time(), [time(17, 30, 1, 5), 86_399_999_999_000, None]),
    "length": (pl.Duration("us"), [timedelta(days=-1, microseconds=7), -5, None]),
    "coarse length": (pl.Duration("ms"), [timedelta(days=-1), timedelta(microseconds=-1500), -5, None]),
    "fine length": (pl.Duration("ns"), [timedelta(days=-1, microseconds=7), -1500, None]),
}


@pytest.mark.parametrize("kind", RAW)
def test_raw_values_are_read_as_a_frame_reads_them(kind: str) -> None:
    dtype, values = RAW[kind]
    schema = pl.Schema({"a": dtype, "b": pl.Int64()})
    read = row_values(schema)
    assert read is not None
    for value in values:
        assert spelt(read([value, 1])) == spelt(frame_of(schema, [[value, 1]]).row(0))


@pytest.mark.parametrize(("dtype", "value"), [(pl.Int8(), 300), (pl.Int8(), "a"), (pl.Boolean(), "x")])
def test_a_raw_value_of_another_type_is_left_to_the_frame(dtype: pl.DataType, value: Any) -> None:
    schema = pl.Schema({"a": dtype})
    read = row_values(schema)
    assert read is not None
    with pytest.raises((TypeError, OverflowError, pl.exceptions.PolarsError)) as alone:
        frame_of(schema, [[value]])
    with pytest.raises(alone.type):
        read([value])


def test_values_of_unknown_types_are_not_promised() -> None:
    assert row_values(pl.Schema({"a": pl.List(pl.Int64)})) is None
    assert row_values(pl.Schema({"a": pl.Int64, "b": pl.Binary})) is None
