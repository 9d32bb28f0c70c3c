"""Random expressions of one row, and random rows for them."""

import struct
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
from hypothesis import strategies as st

ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]
WHOLE = [pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()]
SCHEMA = pl.Schema(
    {
        **{f"{str(dtype).lower()}{n}": dtype for dtype in WHOLE for n in ("a", "b")},
        "x": pl.Float64, "y": pl.Float64, "s": pl.String, "u": pl.String, "p": pl.Boolean, "q": pl.Boolean,
        "t": pl.Datetime("us"), "tm": pl.Datetime("ms"), "tu": pl.Datetime("us", "UTC"),
        "tn": pl.Datetime("us", "America/New_York"), "tb": pl.Datetime("ms", "Europe/Berlin"),
        "d": pl.Date, "e": pl.Date, "l": pl.Duration("us"), "k": pl.Duration("us"), "lm": pl.Duration("ms"),
    }
)  # fmt: skip
HOUR, FIRST, LAST = 3_600_000_000, -2_208_988_800_000_000, 7_258_118_400_000_000
CHANGES = [
    1583650800,
    1604210400,
    1585443600,
    1603587600,
    1617033600 - 7 * 86400,
    0,
    951782400,
    -2208988800,
    7258118400,
]
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.5,
    60.0,
    1e300,
    float("nan"),
    float("inf"),
    -1e300,
    5e-324,
    2.0**53,
    2.0**63,
    1e-310,
    127.5,
    -128.5,
    0.1,
]
TEXTS = [
    "",
    "a",
    "ab",
    "abcab",
    "UA",
    " x ",
    "Straße",
    "日本",
    "İ",
    "12",
    "-7",
    "+5",
    "007",
    "1.5",
    "300",
    "true",
    "\x1cb",
]


def value_of(dtype: pl.DataType, chance: Random) -> Any:
    """A value as kept inside, whole numbers for moments."""
    if dtype.is_integer():
        return whole_value(dtype, chance)
    if isinstance(dtype, pl.Datetime):
        near = chance.choice(CHANGES) * 1_000_000 + chance.randint(-2 * HOUR, 2 * HOUR)
        micros = chance.choice([near, chance.randint(FIRST, LAST)])
        return micros if dtype.time_unit == "us" else micros // 1000
    if isinstance(dtype, pl.Duration):
        micros = chance.choice([chance.randint(-(10**15), 10**15), chance.randint(-200, 200) * HOUR // 4])
        return micros if dtype.time_unit == "us" else micros // 1000
    if dtype == pl.Date:
        return chance.randint(-25567, 84005)
    if dtype == pl.Boolean:
        return chance.random() < 0.5
    return float_value(chance) if dtype == pl.Float64 else chance.choice(TEXTS)


def whole_value(dtype: pl.DataType, chance: Random) -> int:
    bits = int(str(dtype).lstrip("UInt"))
    low, high = (0, 2**bits - 1) if str(dtype).startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    few = [one for one in (0, 1, 2, 3, 7, 60, -1, -7) if one >= low]
    return chance.choice([*few, low, high, low + 1, high - 1, chance.randint(low, high), chance.randint(0, 100)])


def float_value(chance: Random) -> float:
    bits: float = struct.unpack("<d", chance.randbytes(8))[0]
    return chance.choice([bits, chance.choice(SPECIAL), chance.uniform(-1000, 1000), chance.randint(-1000, 1000) / 4])


def column_of(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    inside = pl.Int32() if dtype == pl.Date else pl.Int64() if dtype.is_temporal() else dtype
    return pl.Series(name, values, dtype=inside).cast(dtype)


@st.composite
def frames(draw: st.DrawFn, schema: pl.Schema) -> pl.DataFrame:
    """Some rows, from one drawn number: to draw each of a hundred values would take most of the time."""
    chance = Random(draw(st.integers(0, 2**32)))
    height = chance.randint(2, 5)
    columns = []
    for name, dtype in schema.items():
        values = [None if chance.random() < 0.2 else value_of(dtype, chance) for _ in range(height)]
        columns.append(column_of(name, values, dtype))
    return pl.DataFrame(columns)


def columns(*names: str) -> st.SearchStrategy[pl.Expr]:
    return st.sampled_from(names).map(pl.col)


def one_of(draw: st.DrawFn, *choices: Any) -> Any:
    return choices[draw(st.integers(0, len(choices) - 1))]


@st.composite
def whole(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 8)) if depth else 0
    if kind <= 1:
        return draw(columns(*(name for name, dtype in SCHEMA.items() if dtype.is_integer())))
    if kind == 2:
        return draw(whole_from_others(depth))
    if kind == 3:
        return draw(choice(depth, whole))
    a = draw(whole(depth - 1))
    if kind == 4:
        return draw(arithmetic(a, draw(whole(depth - 1))))
    if kind == 5:
        return draw(arithmetic(a, draw(st.sampled_from([0, 1, 2, 3, 7, 60, -1, 100, 300, 70000]))))
    if kind == 6:
        return one_of(draw, a.abs(), -a, a.sign(), a**2, a**3, a.floor(), a.round(1), a.clip(0, 50), a.clip(3))
    if kind == 7:
        return draw(casting(a, st.sampled_from(WHOLE)))
    return one_of(draw, a ^ 3, a & 7, a | 1, ~a, a.replace({1: 2, 7: 9}), a.replace_strict({1: 2, 0: 5}, default=None))


@st.composite
def whole_from_others(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(casting(draw(number(depth - 1) | truth(depth - 1) | columns("s", "u")), st.sampled_from(WHOLE)))
    if kind == 1:
        return draw(clock(draw(moment(depth - 1))))
    if kind == 2:
        return draw(totals(draw(length(depth - 1))))
    t = draw(text(depth - 1))
    return one_of(draw, t.str.len_chars(), t.str.len_bytes(), t.replace_strict({"a": 1, "UA": 2}, default=0))


@st.composite
def number(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 9)) if depth else 0
    if kind <= 1:
        return draw(columns("x", "y"))
    a = draw(number(depth - 1))
    if kind == 2:
        return draw(arithmetic(a, draw(number(depth - 1) | whole(depth - 1)), true=True))
    if kind == 3:
        return draw(arithmetic(a, draw(st.sampled_from([60, 7.0, 0.1, 0.0, -3, 1e-310, 2.5])), true=True))
    if kind == 4:
        b = draw(whole(depth - 1))
        return one_of(
            draw, b / draw(whole(depth - 1)), b / 7, 7 / b, b * 1.5, b**0.5, b.sqrt(), (b % 50).exp(), b.log()
        )
    if kind == 5:
        some = [
            a.abs(),
            -a,
            a.sign(),
            a**2,
            a**3,
            a**4,
            a**0.5,
            a.sqrt(),
            a.floor(),
            a.ceil(),
            a.clip(-1, 1),
            a.fill_nan(0),
        ]
        return one_of(
            draw, *some, a.clip(0.5, None), a.fill_nan(None), a.round(0), a.round(2), a.round(3), a.clip(1, 2.5)
        )
    if kind == 6:
        return one_of(draw, a.log(), a.log1p(), a.exp(), a.sin(), a.cos(), a.tan(), a.log10(), a.log(2))
    if kind == 7:
        return draw(casting(draw(whole(depth - 1) | truth(depth - 1) | columns("s")), st.just(pl.Float64())))
    if kind == 8:
        k = draw(length(depth - 1))
        return one_of(draw, k / timedelta(hours=1), k / draw(length(depth - 1)), k.dt.total_hours(fractional=True))
    return draw(choice(depth, number))


@st.composite
def truth(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 8)) if depth else 0
    if kind <= 1:
        return draw(columns("p", "q"))
    a = draw(truth(depth - 1))
    if kind == 2:
        b = draw(truth(depth - 1))
        return one_of(draw, a & b, a | b, a ^ b, ~a, a == b, a.eq_missing(b), pl.any_horizontal(a, b), a & True)
    if kind == 3:
        make = draw(st.sampled_from([whole, number, text, day, length]))
        return draw(comparison(draw(make(depth - 1)), draw(make(depth - 1))))
    if kind == 4:
        b = draw(number(depth - 1) | whole(depth - 1))
        return draw(comparison(b, draw(st.sampled_from([0, 1, 1.5, -1, 100, 1000, float("nan"), 2**40]))))
    if kind == 5:
        b = draw(number(depth - 1) | whole(depth - 1))
        return one_of(draw, b.is_null(), b.is_not_null(), b.is_nan(), b.is_finite(), b.is_infinite(), b.is_not_nan())
    if kind == 6:
        return draw(membership(depth))
    if kind == 7:
        t = draw(text(depth - 1))
        some = [t.str.starts_with("a"), t.str.ends_with("b"), t.str.contains("b"), t.str.contains(".", literal=True)]
        return one_of(draw, *some, t.str.contains("", literal=True), draw(moment(depth - 1)).dt.is_leap_year())
    return draw(choice(depth, truth))


@st.composite
def membership(draw: st.DrawFn, depth: int) -> pl.Expr:
    a, b, t = draw(whole(depth - 1)), draw(number(depth - 1)), draw(text(depth - 1))
    some = [a.is_in([1, 2, 7]), b.is_in([0.0, float("nan"), 1.5]), t.is_in(["a", "UA", "日本"]), t.is_in([])]
    closed = draw(st.sampled_from(["both", "left", "right", "none"]))
    more = [
        a.is_between(0, 9, closed),
        b.is_between(a, 1.5, closed),
        draw(day(depth - 1)).is_between(date(2000, 1, 1), date(2020, 1, 1)),
    ]
    moments = [draw(moment(depth - 1)).dt.weekday().is_in([6, 7]), pl.col("t") > datetime(2013, 1, 1)]
    return one_of(draw, *some, *more, *moments, pl.col("tu") >= datetime(2013, 1, 1, tzinfo=UTC))


@st.composite
def text(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 5)) if depth else 0
    if kind <= 1:
        return draw(columns("s", "u"))
    a = draw(text(depth - 1))
    if kind == 2:
        some = [a.str.to_lowercase(), a.str.to_uppercase(), a.str.strip_chars(), a.str.strip_chars("ab"), a.str.head(2)]
        more = [
            a.str.tail(2),
            a.str.head(-1),
            a.str.tail(-1),
            a.str.strip_prefix("a"),
            a.str.strip_suffix("b"),
            a.str.tail(0),
        ]
        return one_of(draw, *some, *more, a.str.strip_chars_start(), a.str.strip_chars_end("b"))
    if kind == 3:
        offset, size = draw(st.integers(-4, 4)), draw(st.none() | st.integers(0, 4))
        some = [a.str.slice(offset, size), a.str.replace("b", "$0", literal=True), a.str.replace_all("a", "")]
        return one_of(draw, *some, a.replace({"a": "b", "UA": "x"}))
    if kind == 4:
        b = draw(text(depth - 1))
        some = [a + b, a + "x", "x" + a, pl.concat_str(a, b, separator="-"), pl.concat_str(a, pl.lit("!"), b)]
        return one_of(draw, *some, draw(whole(depth - 1)).cast(pl.String), draw(truth(depth - 1)).cast(pl.String))
    return draw(choice(depth, text))


@st.composite
def moment(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 5)) if depth else 0
    if kind <= 1:
        return draw(columns("t", "tm", "tu", "tn", "tb"))
    a = draw(moment(depth - 1))
    if kind == 2:
        return draw(columns("tu", "tn", "tb")).dt.convert_time_zone(draw(st.sampled_from(ZONES)))
    if kind == 3:
        length_of = draw(st.sampled_from([timedelta(hours=1), timedelta(days=-3), timedelta(milliseconds=1)]))
        return one_of(draw, a + length_of, a - length_of, a + draw(length(depth - 1)), pl.lit(length_of) + a)
    if kind == 4:
        width = draw(st.sampled_from(["15m", "1h", "7h", "1d", "1w", "30s", "2w"]))
        units = [a.dt.truncate(width), a.dt.cast_time_unit("ms"), pl.col("t").cast(pl.Datetime("ms"))]
        return one_of(draw, *units, a.dt.replace_time_zone(None), pl.col("t").dt.replace_time_zone("UTC"))
    return draw(choice(depth, moment))


@st.composite
def day(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 4)) if depth else 0
    if kind <= 1:
        return draw(columns("d", "e"))
    if kind == 2:
        a = draw(moment(depth - 1))
        return one_of(draw, a.dt.date(), a.cast(pl.Date))
    if kind == 3:
        return one_of(draw, draw(day(depth - 1)) + timedelta(days=2), draw(day(depth - 1)) - draw(length(depth - 1)))
    return draw(choice(depth, day))


@st.composite
def length(draw: st.DrawFn, depth: int) -> pl.Expr:
    kind = draw(st.integers(0, 4)) if depth else 0
    if kind <= 1:
        return draw(columns("l", "k", "lm"))
    a = draw(length(depth - 1))
    if kind == 2:
        some = [
            pl.col("tu") - pl.col("tu").dt.truncate("1d"),
            pl.col("t") - datetime(2020, 1, 1),
            pl.col("d") - pl.col("e"),
        ]
        return one_of(draw, *some, draw(moment(depth - 1)) - draw(moment(depth - 1)), pl.col("tb") - pl.col("tb"))
    if kind == 3:
        return one_of(
            draw, -a, a.abs(), a + timedelta(hours=1), a - draw(length(depth - 1)), a * 3, a * pl.col("int8a")
        )
    return draw(choice(depth, length))


@st.composite
def clock(draw: st.DrawFn, a: pl.Expr) -> pl.Expr:
    d = a.dt
    some = [d.hour(), d.minute(), d.second(), d.weekday(), d.year(), d.month(), d.day(), d.quarter(), d.week()]
    more = [d.iso_year(), d.ordinal_day(), d.millisecond(), d.microsecond(), d.nanosecond(), d.timestamp("ms")]
    days = [pl.col("d").dt.week(), pl.col("d").dt.weekday(), pl.col("e").dt.month(), pl.col("e").dt.ordinal_day()]
    return one_of(draw, *some, *more, *days, d.timestamp("us"), d.epoch("s"), pl.col("d").cast(pl.Int32))


@st.composite
def totals(draw: st.DrawFn, a: pl.Expr) -> pl.Expr:
    d = a.dt
    some = [d.total_days(), d.total_hours(), d.total_minutes(), d.total_seconds(), d.total_milliseconds()]
    return one_of(draw, *some, d.total_microseconds(), a.cast(pl.Int64))


@st.composite
def arithmetic(draw: st.DrawFn, a: pl.Expr, b: Any, *, true: bool = False) -> pl.Expr:
    some = [a + b, a - b, a * b, a // b, a % b, b - a, b // a, b % a]
    both = [pl.min_horizontal(a, b), pl.max_horizontal(a, b), pl.sum_horizontal(a, b)] if isinstance(b, pl.Expr) else []
    return one_of(draw, *some, *both, *([a / b, b / a] if true else []))


@st.composite
def comparison(draw: st.DrawFn, a: pl.Expr, b: Any) -> pl.Expr:
    return one_of(draw, a == b, a != b, a < b, a <= b, a > b, a >= b, a.eq_missing(b), a.ne_missing(b))


@st.composite
def casting(draw: st.DrawFn, a: pl.Expr, targets: st.SearchStrategy[pl.DataType]) -> pl.Expr:
    return a.cast(draw(targets), strict=draw(st.booleans()))


@st.composite
def choice(draw: st.DrawFn, depth: int, make: Any) -> pl.Expr:
    told, a, b = draw(truth(depth - 1)), draw(make(depth - 1)), draw(make(depth - 1))
    return one_of(draw, pl.when(told).then(a).otherwise(b), pl.when(told).then(a), pl.coalesce(a, b), a.fill_null(b))


ANY = st.sampled_from([whole, number, truth, text, moment, day, length]).flatmap(lambda make: make(3))
