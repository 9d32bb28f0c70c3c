"""What a card is made of: plain values, which a page and Markdown each spell in their own way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

MISSING = "not known"


class Say(msgspec.Struct, frozen=True, tag=str.lower, tag_field="kind"):
    """A sentence; `quiet` where it says that there is nothing yet."""

    text: str
    quiet: bool = False


class Facts(msgspec.Struct, frozen=True, tag=str.lower, tag_field="kind"):
    """Names and what is said of each."""

    rows: tuple[tuple[str, str], ...]


class Grid(msgspec.Struct, frozen=True, tag=str.lower, tag_field="kind"):
    """Rows under headers."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A question a reader has, and what answers it."""

    title: str
    parts: tuple[Say | Facts | Grid, ...]
    pictures: tuple[str, ...] = ()
    """The names of pictures that belong here, where some were drawn."""


@dataclass(frozen=True)
class Card:
    """Everything that is said of one version."""

    model: str
    number: int
    digest: str
    made: datetime
    lead: str
    state: str
    sections: tuple[Section, ...]

    def plain(self) -> dict[str, Any]:
        """The same for programs; each part says of which kind it is."""
        sections = [{"title": one.title, "parts": msgspec.to_builtins(one.parts)} for one in self.sections]
        return {**vars(self), "sections": sections}


@dataclass(frozen=True)
class Sheet:
    """What is put on paper: a heading with a word beside it, what it is about, where it comes from, and sections."""

    title: str
    heading: str
    state: str
    lead: str
    note: str
    sections: tuple[Section, ...]


def facts(*rows: tuple[str, Any]) -> Facts:
    """Facts without those that have nothing to say."""
    return Facts(tuple((name, text(value)) for name, value in rows if value not in (None, "", [], {}, ())))


def grid(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> Grid | Say:
    """A table without columns in which nothing stands, or a sentence where it would have no rows."""
    if not rows:
        return Say(empty, quiet=True)
    spelled = [["" if cell is None else text(cell) for cell in row] for row in rows]
    used = [place for place in range(len(headers)) if any(row[place] for row in spelled)]
    return Grid(tuple(headers[place] for place in used), tuple(tuple(row[place] for place in used) for row in spelled))


def text(value: Any) -> str:
    """A value for people.

    >>> text(1234567.0), text(0.123456), text(["a", "b"]), text(True)
    ('1,234,567', '0.1235', 'a, b', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, list | tuple):
        return ", ".join(text(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {text(one)}" for name, one in value.items())
    return str(value)


def between(found: dict[str, Any] | None) -> str:
    """A figure with its interval.

    >>> between({"value": 0.8, "low": 0.7, "high": 0.9})
    '0.8 (0.7 to 0.9)'
    """
    if not found or found.get("value") is None:
        return MISSING
    return f"{text(found['value'])} ({text(found['low'])} to {text(found['high'])})"


def day(iso: str | None) -> str:
    """The day of a moment as it is stored."""
    return iso[:10] if iso else MISSING
