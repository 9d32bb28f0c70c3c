"""Values as a frame's `rows()` gives them, and as Polars keeps them: moments are whole numbers inside."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from struct import Struct
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from outlast.features.online import frame_of
from outlast.features.rowwise.operations import bounds
from outlast.features.rowwise.refusal import Refused, Unsure
from outlast.features.rowwise.zones import zone

Convert = Callable[[Any], Any]
_NAIVE, _AWARE = datetime(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1).toordinal()
_UNITS = {"ms": 1000, "us": 1_000_000}
_SINGLE = Struct("<f")
_PLAIN_TYPES: dict[Any, type] = {pl.Datetime: datetime, pl.Date: date, pl.Time: time, pl.Duration: timedelta}


def to_physical(dtype: pl.DataType) -> Convert | None:
    """From a plain value that is there to the whole number inside; None where they are the same."""
    if isinstance(dtype, pl.Datetime):
        return _moment_to_number(dtype)
    if isinstance(dtype, pl.Duration):
        return _scaled_down(_units(dtype))
    if dtype == pl.Date:
        return lambda day: day.toordinal() - _FIRST_DAY
    if dtype == pl.Time:
        return _time_to_number
    if known(dtype):
        return None
    raise Refused(f"{dtype} is not promised")


def to_plain(dtype: pl.DataType) -> Convert | None:
    """From the whole number inside to the plain value; None where they are the same."""
    if isinstance(dtype, pl.Datetime):
        return _number_to_moment(dtype)
    if isinstance(dtype, pl.Duration):
        return partial(_length, 1_000_000 // _units(dtype))
    if dtype == pl.Date:
        return _day
    if dtype == pl.Time:
        return _time
    if known(dtype):
        return None
    raise Refused(f"{dtype} is not promised")


def known(dtype: pl.DataType) -> bool:
    """Whether plain values of a type are what they are inside."""
    return (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)) or dtype in (
        pl.Float64, pl.Float32, pl.String, pl.Boolean,
    )  # fmt: skip


def row_values(schema: pl.Schema) -> Callable[[list[Any]], list[Any]] | None:
    """Raw values of a row as a frame of them would give them back.

    Raw is what a request was decoded to, or what the store keeps, where a moment may be a whole number: its stored
    form. None where a column's type cannot be promised.
    """
    try:
        takes = tuple((_same(dtype), _checked(dtype)) for dtype in schema.dtypes())
    except Refused:
        return None
    width = len(takes)

    def values(row: list[Any]) -> list[Any]:
        if len(row) == width:
            try:
                return [
                    value if type(value) is same else None if value is None else convert(value)
                    for (same, convert), value in zip(takes, row, strict=True)
                ]
            except Unsure:
                pass  # a value in another form than usual, which a frame may know how to take
        return list(frame_of(schema, [row]).row(0))

    return values


def _same(dtype: pl.DataType) -> type | None:
    """The Python type of which each value is one of the column as it is; None where there is none."""
    return {pl.Float64: float, pl.String: str, pl.Boolean: bool}.get(dtype.base_type())


def _checked(dtype: pl.DataType) -> Convert:
    if dtype == pl.Float64:
        return _float
    if dtype == pl.Float32:
        return _single
    if dtype in (pl.String, pl.Boolean):
        return _strange
    if known(dtype):
        return partial(_whole, *bounds(dtype))
    if getattr(dtype, "time_unit", None) == "ns":
        return _coarse(_checked(_in_micros(dtype)), lengths=isinstance(dtype, pl.Duration))
    return _checked_time(dtype)


def _checked_time(dtype: pl.DataType) -> Convert:
    number, plain, kind = to_physical(dtype), to_plain(dtype), _PLAIN_TYPES[dtype.base_type()]
    assert number is not None
    assert plain is not None
    zoned, as_it_is = getattr(dtype, "time_zone", None), _as_it_is(dtype)

    def convert(value: Any) -> Any:
        given: Any = type(value)
        if given is int:
            return plain(value)
        if given is not kind or (getattr(value, "tzinfo", None) is None) is not (zoned is None):
            raise Unsure("what this is as a moment")
        return as_it_is(value) if as_it_is else plain(number(value))

    return convert


def _as_it_is(dtype: pl.DataType) -> Convert | None:
    """How a value in microseconds comes back: as it is but for the name of UTC, and no second hour of that name."""
    if dtype == pl.Date or dtype == pl.Duration("us"):
        return lambda value: value
    if dtype == pl.Time or dtype == pl.Datetime("us"):
        return lambda value: value.replace(fold=0) if value.fold else value
    if dtype != pl.Datetime("us", "UTC"):
        return None
    clock = _clock("UTC")
    return lambda value: (value if value.tzinfo is UTC else value.astimezone(UTC)).replace(tzinfo=clock, fold=0)


def _in_micros(dtype: pl.DataType) -> pl.DataType:
    return pl.Datetime("us", dtype.time_zone) if isinstance(dtype, pl.Datetime) else pl.Duration("us")


def _coarse(convert: Convert, *, lengths: bool) -> Convert:
    """For a column of nanoseconds: Python knows none, and the column fewer years than Python."""

    def found(value: Any) -> Any:
        if type(value) is int:
            return convert(-(-value // 1000) if lengths and value < 0 else value // 1000)
        if type(value) is datetime and not 1678 <= value.year <= 2261:
            raise Unsure("whether nanoseconds reach that far")
        if type(value) is timedelta and abs(value.days) > 100_000:
            raise Unsure("whether nanoseconds reach that far")
        return convert(value)

    return found


def _strange(value: Any) -> Any:
    raise Unsure("what this is in a column of another type")


def _whole(low: int, high: int, value: Any) -> int:
    if type(value) is int and low <= value <= high:
        return value
    raise Unsure("what this is as a whole number")


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int and -(2**53) <= value <= 2**53:
        return float(value)
    raise Unsure("what this is as a number")


def _single(value: Any) -> float:
    try:
        found: float = _SINGLE.unpack(_SINGLE.pack(_float(value)))[0]
    except OverflowError:
        raise Unsure("what this is as a small number") from None
    return found


def _units(dtype: pl.DataType) -> int:
    units = _UNITS.get(getattr(dtype, "time_unit", ""))
    if units is None:
        raise Refused(f"{dtype} is finer than what Python knows")
    return units


def _scaled_down(units: int) -> Convert:
    def number(length: timedelta) -> int:
        micros = (length.days * 86400 + length.seconds) * 1_000_000 + length.microseconds
        if units == 1_000_000:
            return micros
        if micros % 1000:
            raise Unsure("which way this is rounded")
        return micros // 1000

    return number


def _moment_to_number(dtype: pl.Datetime) -> Convert:
    scaled = _scaled_down(_units(dtype))
    if dtype.time_zone in (None, "UTC"):
        start = _NAIVE if dtype.time_zone is None else _NAIVE.replace(tzinfo=_clock("UTC"))
        return partial(_since, start) if dtype.time_unit == "us" else lambda moment: scaled(moment - start)
    offset = zone(dtype.time_zone).offset

    def number(moment: datetime) -> int:
        since = moment - _AWARE
        distance = moment.utcoffset()
        micros = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
        if moment.tzinfo is not UTC and distance is not None and _micros(distance) != offset(micros):
            raise Unsure("which of two tables of zones is meant")
        found: int = scaled(since)
        return found

    return number


def _since(start: datetime, moment: datetime) -> int:
    length = moment - start
    return (length.days * 86400 + length.seconds) * 1_000_000 + length.microseconds


def _number_to_moment(dtype: pl.Datetime) -> Convert:
    times = 1_000_000 // _units(dtype)
    if dtype.time_zone is None:
        return lambda number: _later(_NAIVE, number * times)
    clock = _clock(dtype.time_zone)
    if dtype.time_zone == "UTC":
        start = _AWARE.replace(tzinfo=clock)
        return lambda number: _later(start, number * times)
    offset = zone(dtype.time_zone).offset

    def moment(number: int) -> datetime:
        micros = number * times
        found = _later(_AWARE, micros).astimezone(clock)
        distance = found.utcoffset()
        if distance is None or _micros(distance) != offset(micros):
            raise Unsure("which of two tables of zones is meant")
        return found

    return moment


def _clock(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"Python does not know the zone {name}") from None


def _micros(length: timedelta) -> int:
    return (length.days * 86400 + length.seconds) * 1_000_000 + length.microseconds


def _later(start: datetime, micros: int) -> datetime:
    try:
        return start + timedelta(microseconds=micros)
    except OverflowError:
        raise Unsure("what a year beyond 9999 is") from None


def _length(times: int, number: int) -> timedelta:
    try:
        return timedelta(microseconds=number * times)
    except OverflowError:
        raise Unsure("what so long a time is") from None


def _day(number: int) -> date:
    try:
        return date.fromordinal(number + _FIRST_DAY)
    except (OverflowError, ValueError):
        raise Unsure("what a year beyond 9999 is") from None


def _time_to_number(value: time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000_000 + value.microsecond * 1000


def _time(number: int) -> time:
    if number % 1000 or not 0 <= number < 86_400_000_000_000:
        raise Unsure("what this is as a time of day")
    seconds, micros = divmod(number // 1000, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return time(minutes // 60, minutes % 60, second, micros)
