"""Values of any column as JSON text that gives back the same values: NaN, moments and bytes included."""

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_MICROSECOND = timedelta(microseconds=1)
_SAFE = 2**63
_PLAIN = {float, str, bool, int, type(None)}


def to_text(values: Mapping[str, Any]) -> str:
    """A row as JSON text; what JSON has no word for becomes an object with one key that begins with a dollar sign.

    >>> to_text({"a": 1, "b": float("nan"), "c": date(2013, 7, 1)})
    '{"a":1,"b":{"$float":"nan"},"c":{"$date":"2013-07-01"}}'
    """
    kinds = set(map(type, values.values()))
    if kinds <= _PLAIN:
        text = _encode(values)
        nothing = sum([value is None for value in values.values()]) if None.__class__ in kinds else 0
        if text.count(b":null") == nothing and (int not in kinds or _all_safe(values.values())):
            return text.decode()  # as many nulls as there are Nones: no NaN became one
    return _encode({name: value if _plain(value) else spell(value) for name, value in values.items()}).decode()


def from_text(text: str) -> dict[str, Any]:
    """The row again.

    >>> from_text('{"a":1,"b":{"$date":"2013-07-01"}}')
    {'a': 1, 'b': datetime.date(2013, 7, 1)}
    """
    found: dict[str, Any] = read_back(_decode(text))
    return found


def value_text(value: Any) -> str:
    """One value as JSON text."""
    return _encode(spell(value)).decode()


def value_of(text: str) -> Any:
    """One value from its JSON text."""
    return read_back(_decode(text))


def spell(value: Any) -> Any:
    """A value in words of JSON."""
    if _plain(value):
        return value
    if isinstance(value, Mapping):
        inner = {str(name): spell(one) for name, one in value.items()}
        return {"$object": inner} if any(name.startswith("$") for name in inner) else inner
    if isinstance(value, list | tuple | set | frozenset):
        return [spell(one) for one in value]
    for kind, (tag, write, _) in _WORDS.items():
        if isinstance(value, kind):
            return {tag: write(value)}
    plain = getattr(value, "item", None)  # a number of numpy
    return spell(plain()) if plain is not None else {"$text": str(value)}


def read_back(value: Any) -> Any:
    """A value from words of JSON."""
    if isinstance(value, list):
        return [read_back(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag == "$object":
            value = inner
        elif tag in _READERS:
            return _READERS[tag](inner)
    return {name: one if one.__class__ in _PLAIN else read_back(one) for name, one in value.items()}


def _all_safe(values: Iterable[Any]) -> bool:
    return all(-_SAFE <= value < _SAFE for value in values if value.__class__ is int)


def _plain(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return bool(value - value == 0.0)  # neither NaN nor infinite
    return kind is str or kind is bool or value is None or (kind is int and -_SAFE <= value < _SAFE)


_Word = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]
_WORDS: dict[type, _Word] = {
    # a datetime is a date too, and a truth value an int: the narrower kind comes first
    bool: ("$bool", bool, bool),
    float: ("$float", repr, float),
    int: ("$int", str, int),
    datetime: ("$datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("$date", date.isoformat, date.fromisoformat),
    time: ("$time", time.isoformat, time.fromisoformat),
    timedelta: ("$microseconds", lambda length: length // _MICROSECOND, lambda us: us * _MICROSECOND),
    Decimal: ("$decimal", str, Decimal),
    bytes: ("$bytes", lambda raw: base64.b64encode(raw).decode(), base64.b64decode),
    str: ("$text", str, str),
}
_READERS: dict[str, Callable[[Any], Any]] = {tag: read for tag, _, read in _WORDS.values()}


def number_of(value: Any) -> float | None:
    """A value as a number where it is one: truth values are 1 and 0."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
