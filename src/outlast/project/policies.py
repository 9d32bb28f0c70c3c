"""What a fault leads to, as the contract says it: a word, or a value that takes the place of what was given."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, get_args

from outlast.errors import SettingsError
from outlast.types import duration

Word = Literal["warn", "null", "refuse", "simpler", "default"]
Then = Word | dict[str, Any]
"""What a fault of a field leads to: a word, or { use = VALUE } for the value that takes its place."""
Fault = Literal["missing", "malformed", "outside", "unseen"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
Aged = Literal["warn", "simpler", "default", "refuse"]
"""What facts that are too old lead to."""


def then_of(value: Any) -> Any:
    """A word or a value to use, as it was written; ValueError where it is neither.

    >>> then_of("simpler"), then_of({"use": 0})
    ('simpler', {'use': 0})
    """
    if isinstance(value, dict):
        if list(value) == ["use"] and isinstance(value["use"], str | int | float | date):
            return value
    elif value in get_args(Word):
        return value
    raise ValueError(f"expected {', '.join(get_args(Word))} or {{ use = VALUE }}")


def stale_of(said: Any) -> tuple[str, Aged]:
    """How old a source's newest fact may be, and what an older one leads to; ValueError where it says neither.

    >>> stale_of("6h"), stale_of({"age": "6h", "then": "default"})
    (('6h', 'simpler'), ('6h', 'default'))
    """
    parts = said if isinstance(said, Mapping) else {"age": said}
    age, then = parts.get("age"), parts.get("then", "simpler")
    if not isinstance(age, str) or not set(parts) <= {"age", "then"}:
        raise ValueError('expected a length of time such as "6h", or { age = "6h", then = "default" }')
    if then not in get_args(Aged):
        raise ValueError(f"then is {str(then)[:40]!r}: expected {', '.join(get_args(Aged))}")
    try:
        duration(age)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    return age, then


def words_of(said: Any) -> set[str]:
    """Every word that a key, some fields or some sources lead to; a value to use is none."""
    if isinstance(said, str):
        return {said}
    each = [one if isinstance(one, Mapping) else vars(one) for one in said.values() if not isinstance(one, str)]
    return {then for one in each for name, then in one.items() if name != "age" and isinstance(then, str)}
