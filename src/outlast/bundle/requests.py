"""Rows as callers send them: decoded by the types of training, each fault with its row, field and what was expected."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.falls import Faults, Lower, Policy, parted, row_fault
from outlast.data.schema import Field, dtype_of
from outlast.errors import ContractError, RequestError, SettingsError, nearest
from outlast.types import counted, duration, micros, utc

_FIRST_NS, _LAST_NS = datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC)
MISSING = object()
FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Decisions outside these years are a clock's zero or a slip of the hand, and windows around them cannot be counted."""
LARGEST = 3.4028234663852886e38
"""The largest 32-bit float: models compute with no more, and fail on what lies beyond."""
_A_NUMBER, _FITTING = "a number", "a number between -3.4e+38 and 3.4e+38"
_DAY = 86_400_000_000
EXACT = 2**53
"""The greatest whole number up to which a float names one whole number only: past it, 1e17 may mean any of several."""
Convert = Callable[[Any], Any]
_KEY = Policy()


class Asked(msgspec.Struct, frozen=True):
    """One row, decoded: values in the order of the asks, its key, its moment, and what to warn of."""

    values: list[Any]
    key: str | None
    decide_at: int
    warnings: list[str] = []
    lower: Lower | None = None
    """The rung that a fault of a field leads to; None where there is none that leads to any."""


@dataclass(frozen=True, eq=False)
class _Column:
    name: str
    convert: Convert
    expected: str
    nullable: bool
    said: bool
    categories: frozenset[str] | None
    bounds: tuple[float, float] | None
    faults: Faults


_Usual = tuple[str, Any, float, float, frozenset[str] | None, _Column]
"""Of a column, what most of its values are: the type in which they come, between two numbers or among some words."""


class Decoder:
    """Decodes rows of one version's request schema."""

    def __init__(self, asks: Sequence[Field], key: Sequence[Field], time: str | None, policy: Policy) -> None:
        unknown = next((name for name in policy.fields if name not in {ask.name for ask in asks}), None)
        if unknown is not None:
            hint = nearest(unknown, [ask.name for ask in asks])
            raise ContractError(f"outlast.toml: 'serving.fields.{unknown}' is no field that is asked for: {hint}")
        self._columns = [_column(ask, policy) for ask in asks]
        self._usual = [_usual(column, dtype_of(ask.dtype)) for ask, column in zip(asks, self._columns, strict=True)]
        self._key = [_column(part, _KEY) for part in key]
        self._time = time
        self._known = frozenset([c.name for c in (*self._columns, *self._key)] + ([time] if time else []))

    def decode(self, row: Mapping[str, Any], index: int, now: int) -> Asked:
        """One row; RequestError names the row, the field and what was expected."""
        if not isinstance(row, Mapping):
            raise row_fault(index, None, f"is {kind_of(row)}: expected an object of fields such as {self._sample()}")
        warnings: list[Any] = []
        values = self._values(row, index, warnings)
        if not self._known.issuperset(row):
            warnings.extend(self._unknown(row))
        decide_at = now if self._time is None else self._moment(row, index, now)
        if decide_at > now + _DAY:
            days = counted((decide_at - now) // _DAY, "day")
            warnings.append(f"'{self._time}' lies {days} ahead: what becomes known until then is not known yet")
        if warnings:
            return Asked(values, self._key_of(row, index), decide_at, *parted(warnings))
        return Asked(values, self._key_of(row, index), decide_at)

    def _values(self, row: Mapping[str, Any], index: int, notes: list[Any]) -> list[Any]:
        """The values of all asks; those that are as most are, which need not be looked at twice, without a call."""
        found, get = [], row.get
        for name, kind, low, high, words, column in self._usual:
            value: Any = get(name)
            here: Any = value.__class__
            if here is kind and (
                value in words if words is not None else value.isascii() if kind is str else low <= value <= high
            ):
                found.append(value)
            else:
                found.append(self._value(column, row, index, notes))
        return found

    def _value(self, column: _Column, row: Mapping[str, Any], index: int, notes: list[Any]) -> Any:
        value = row.get(column.name, MISSING)
        if value is MISSING or value is None:
            if value is MISSING or not column.nullable:
                return self._absent(column, value is MISSING, row, index=index, notes=notes)
            return None
        converted = column.convert(value)
        if converted is MISSING:
            too_large = column.expected == _A_NUMBER and isinstance(value, int | float) and not isinstance(value, bool)
            says = f"is {kind_of(value)}: expected {_FITTING if too_large else column.expected}"
            return column.faults.met("malformed", says, None, index=index, notes=notes)
        if column.categories is not None and converted not in column.categories:
            says = f"is '{str(converted)[:60]}', which training never saw"
            return column.faults.met("unseen", says, converted, index=index, notes=notes)
        if column.bounds is not None and not column.bounds[0] <= converted <= column.bounds[1]:
            low, high = column.bounds
            says = f"is {converted:g}, outside the contract's range {low:g} to {high:g}"
            return column.faults.met("outside", says, converted, index=index, notes=notes)
        return converted

    def _absent(self, column: _Column, missing: bool, row: Mapping[str, Any], *, index: int, notes: list[Any]) -> Any:
        """What a field counts as that is left out, or null where training never saw that."""
        if missing and column.nullable:
            notes.append(f"'{column.name}' is missing")
            return None
        what = "is missing" if missing else "is null" if column.said else "is null, which training never saw"
        hint = f": expected {column.expected}{self._hint(row)}"
        return column.faults.met("missing", what, None, index=index, notes=notes, hint=hint)

    def _hint(self, row: Mapping[str, Any]) -> str:
        unknown = [str(name)[:60] for name in row if name not in self._known]
        return f"; '{unknown[0]}' is not a field: {nearest(unknown[0], self._known)}" if unknown else ""

    def _unknown(self, row: Mapping[str, Any]) -> list[str]:
        names = [str(name)[:60] for name in row if name not in self._known]
        says = [f"'{name}' is not a field and was ignored" for name in names]
        hint = nearest(names[0], self._known)
        return [f"{says[0]}: {hint}", *says[1:]] if hint.startswith("did you mean") else says

    def _moment(self, row: Mapping[str, Any], index: int, now: int) -> int:
        assert self._time is not None
        given = row.get(self._time)
        if given is None:
            return now
        found = as_moment(given)
        if found is MISSING:
            raise row_fault(index, self._time, f"is {kind_of(given)}: expected a moment such as 2013-07-01T12:00:00Z")
        if not FIRST_YEAR <= found.year <= LAST_YEAR:
            raise row_fault(index, self._time, f"is in the year {found.year}: expected {FIRST_YEAR} to {LAST_YEAR}")
        return micros(found)

    def key(self, row: Any) -> str | None:
        """The key of a row that may be anything; None where it has none that can be read."""
        try:
            return self._key_of(row, 0) if isinstance(row, Mapping) else None
        except RequestError:
            return None

    def _key_of(self, row: Mapping[str, Any], index: int) -> str | None:
        parts = []
        for column in self._key:
            given = row.get(column.name)
            if given is None:
                return None
            converted = column.convert(given)
            if converted is MISSING:
                raise row_fault(index, column.name, f"is {kind_of(given)}: expected {column.expected}")
            parts.append(converted)
        return spell_key(parts) if parts else None

    def _sample(self) -> str:
        return ", ".join(f"'{column.name}'" for column in self._columns[:3])


def spell_key(parts: Sequence[Any]) -> str:
    """A fact's key as the one text under which its label is found again.

    >>> spell_key(["UA", 1545])
    'UA\\x1f1545'
    """
    return "\x1f".join(_spell(part) for part in parts)


def as_moment(value: Any) -> Any:
    """A moment from ISO 8601 text or a datetime; MISSING where it is none."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, str):
        return MISSING
    try:
        return utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return MISSING


def converters(fields: Sequence[Field]) -> dict[str, tuple[Convert, str]]:
    """For each field, how to read a value of it (MISSING where it is none) and what was expected, in words."""
    return {one.name: _converter(dtype_of(one.dtype)) for one in fields}


def _spell(part: Any) -> str:
    if isinstance(part, datetime):
        return utc(part).isoformat()
    return part if isinstance(part, str) else str(part)


def _column(ask: Field, policy: Policy) -> _Column:
    dtype = dtype_of(ask.dtype)
    convert, expected = _converter(dtype)
    categories = frozenset(ask.categories) if ask.categories and dtype == pl.String else None
    bounds = policy.ranges.get(ask.name)
    within = (bounds[0], bounds[1]) if bounds and dtype.is_numeric() else None
    said = "missing" in policy.fields.get(ask.name, {})
    faults = Faults(ask.name, policy.of_field(ask.name), _known(convert, categories), MISSING)
    return _Column(ask.name, convert, expected, ask.nulls > 0 and not said, said, categories, within, faults)


def _known(convert: Convert, categories: frozenset[str] | None) -> Convert:
    """What a contract writes down as a value: of words only those that training saw."""
    if categories is None:
        return convert

    def known(value: Any) -> Any:
        found = convert(value)
        return found if found in categories else MISSING

    return known


def _usual(column: _Column, dtype: pl.DataType) -> _Usual:
    low, high = column.bounds or (-LARGEST, LARGEST)
    if dtype == pl.String:
        return column.name, str, low, high, column.categories, column
    if dtype.is_float():
        return column.name, float, max(low, -LARGEST), min(high, LARGEST), None, column
    if dtype.is_integer():
        least, most = _ends(dtype)
        return column.name, int, max(low, least), min(high, most), None, column
    return column.name, _Unusual, low, high, None, column


class _Unusual:
    """The type of no value: each is looked at."""


def _converter(dtype: pl.DataType) -> tuple[Convert, str]:
    if dtype == pl.Boolean:
        return _boolean, "true or false"
    if dtype.is_integer():
        return _whole_between(dtype), f"a whole number ({dtype})"
    if dtype.is_float() or dtype.is_decimal():
        return _number, _A_NUMBER
    if isinstance(dtype, pl.Datetime):
        return _datetime(dtype), "a moment such as 2013-07-01T12:00:00Z"
    if dtype == pl.Date:
        return _date, "a day such as 2013-07-01"
    if dtype == pl.Time:
        return _time_of_day, "a time of day such as 17:30:00"
    if isinstance(dtype, pl.Duration):
        return _length, "a length of time such as 90s, 1d12h or PT90S"
    return _text, "text"


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else MISSING


def _whole_between(dtype: pl.DataType) -> Convert:
    low, high = _ends(dtype)

    def convert(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return MISSING
        return value

    return convert


def _ends(dtype: pl.DataType) -> tuple[int, int]:
    """The least and the greatest number of a type of whole numbers."""
    bits = int(str(dtype).lstrip("UInt"))
    return (0, 2**bits - 1) if str(dtype).startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    try:
        number = float(value)
    except OverflowError:
        return MISSING
    return number if abs(number) <= LARGEST else MISSING


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return MISSING
    return value if value.isascii() or _is_unicode(value) else MISSING


def _is_unicode(value: str) -> bool:
    """Whether it can be written at all: half of a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _datetime(dtype: pl.Datetime) -> Convert:
    zoned, fine = dtype.time_zone is not None, dtype.time_unit == "ns"

    def convert(value: Any) -> Any:
        found = as_moment(value)
        if found is MISSING or (fine and not _FIRST_NS < found < _LAST_NS):
            return MISSING
        return found if zoned else found.replace(tzinfo=None)

    return convert


def _date(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else MISSING
    except ValueError:
        return MISSING


def _time_of_day(value: Any) -> Any:
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return MISSING
    return found if isinstance(found, time) and found.tzinfo is None else MISSING


def _length(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        return MISSING
    try:
        return msgspec.convert(value, timedelta) if value.lstrip("+-").startswith("P") else duration(value)
    except (msgspec.ValidationError, SettingsError, OverflowError):
        return MISSING


def kind_of(value: Any) -> str:
    """A value as a sentence names it, cut short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"{str(value).lower()}, a truth value"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, int | float):
        return f"the number {str(value)[:40]}"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return f"a {type(value).__name__}"
