"""Words every stage shares: durations, moments, references to versions, digests."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from outlast.clock import now as now
from outlast.errors import RequestError, SettingsError

Task = Literal["binary", "multiclass", "regression"]
Clock = Callable[[], datetime]

FORMAT = 1
"""The format number that everything stored carries."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def clock_from(start: datetime) -> Clock:
    """A clock that stands at a moment now, and goes on from there."""
    begun = time.monotonic()
    return lambda: utc(start) + timedelta(seconds=time.monotonic() - begun)


def utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is read as UTC. RequestError where UTC has no year for it.

    >>> utc(datetime(2013, 7, 1, 12)).isoformat()
    '2013-07-01T12:00:00+00:00'
    """
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise RequestError(f"The moment {moment.isoformat()} is outside of the years 1 to 9999 in UTC") from None


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exact.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1))
    1000000
    """
    return (utc(moment) - EPOCH) // timedelta(microseconds=1)


def moment(us: int) -> datetime:
    """The moment that many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=us)


def duration(text: str) -> timedelta:
    """A length of time from a word such as 90s, 5m, 6h, 1d, 2w or 1d12h.

    >>> duration("1d12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    parts = _DURATION.findall(text.strip())
    if not parts or "".join(n + u for n, u in parts) != text.strip().replace(" ", ""):
        raise SettingsError(
            f"'{text}' is not a length of time: write a number and a unit, such as 90s, 5m, 6h, 1d or 2w"
        )
    return timedelta(microseconds=sum(float(n) * _UNITS[u] for n, u in parts))


def span(length: timedelta) -> str:
    """A length of time as people say it: the inverse of duration() for whole units.

    >>> span(timedelta(days=1, hours=12))
    '1d12h'
    """
    left, words = length // timedelta(microseconds=1), []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def counted(number: int, word: str, many: str | None = None) -> str:
    """A number of things, in words.

    >>> counted(1, "row"), counted(1200, "row"), counted(0, "entry", "entries")
    ('1 row', '1,200 rows', '0 entries')
    """
    return f"{number:,} {word if number == 1 else many or f'{word}s'}"


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> listed(["the data", "the code", "the seed"]), listed(["the seed"])
    ('the data, the code and the seed', 'the seed')
    """
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse"})
"""Metrics that are losses."""


class Verified(str):
    """A name that a token proved, `token` by its id; who is named by any other text only says so."""

    token: str

    def __new__(cls, name: str, token: str) -> "Verified":
        made = super().__new__(cls, name)
        made.token = token
        return made


def identity(name: str) -> str:
    """How a name is known, as records keep it.

    >>> identity("ana"), identity(Verified("ana", "t-1"))
    ('unverified', 'token t-1')
    """
    return f"token {name.token}" if isinstance(name, Verified) else "unverified"


class Named(str):
    """A request's id that the caller gave, and not we: asked again under it, the first answer is given again.

    `asked` is a digest of what was asked under it, once that is known.
    """

    asked: str | None = None


@dataclass(frozen=True)
class ModelRef:
    """A model, and perhaps which of its versions: late-arrivals, late-arrivals@7, late-arrivals@live."""

    name: str
    version: int | str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelRef":
        """Read NAME, NAME@NUMBER, NAME@live or NAME@previous.

        >>> ModelRef.parse("late-arrivals@7")
        ModelRef(name='late-arrivals', version=7)
        """
        name, at, version = text.partition("@")
        if not name or (at and not version):
            raise RequestError(f"'{text}' names no model: write NAME, NAME@7, NAME@live, NAME@previous or NAME@latest")
        if version.isdigit():
            return cls(name, int(version))
        if version and version not in ("live", "challenger", "previous", "latest"):
            said = "after @ write a number, live, challenger, previous or latest"
            raise RequestError(f"'{text}' names no version: {said}")
        return cls(name, version or None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


def digest_of(value: bytes | Any) -> str:
    """The SHA-256 of bytes, or of any plain value in its one canonical spelling.

    >>> digest_of({"b": 1, "a": [2.5, None]}) == digest_of({"a": [2.5, None], "b": 1})
    True
    """
    data = value if isinstance(value, bytes) else msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(data).hexdigest()


class Contribution(msgspec.Struct, frozen=True):
    """A feature, the value it had, and what that added."""

    field: str
    value: Any
    by: float


class Explanation(msgspec.Struct, frozen=True):
    """An answer taken apart: `base` and what all contributions add make `margin`, which leads to the score."""

    of: str | None
    """The outcome whose score it is; None of a regression."""
    unit: str
    base: float
    """The mean of the margins of the reference rows."""
    base_score: float
    """The score of an answer to which nothing added anything."""
    margin: float
    score: float
    contributions: list[Contribution]
    """The largest first."""
    reference_rows: int
    """Rows of training that stand for a feature's absence."""
