"""Without a reference: whether the newer part of a stream differs from its older part.

ADWIN (Bifet & Gavaldà 2007) on sums: a window of buckets that grows while nothing has moved, and is cut where two parts
of it differ by more than chance. Old buckets are merged, so that there are few of them at any length. A cut needs
less chance than one check's part of the budget, over all places where the window could be cut.
"""

import math
from dataclasses import dataclass

import msgspec

from outlast.storage import formats
from outlast.types import FORMAT

_FINE = 8
"""Two buckets become one when together they have at most this part of the rows that are newer."""
_LEAST = 5
"""Rows on both sides of a cut."""


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive checks: rows, the sum of values in [0, 1], and when the first began."""

    rows: int
    total: float
    at: int


class Window(msgspec.Struct, frozen=True):
    """What is remembered of one stream, the oldest first."""

    buckets: tuple[Bucket, ...] = ()
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.buckets)


_DECODE = msgspec.msgpack.Decoder(Window).decode


@dataclass(frozen=True)
class Change:
    """The mean before and since a moment, and how many rows say so."""

    before: float
    now: float
    since: int
    rows: int


def grown(
    window: Window, rows: int, total: float, *, at: int, log_threshold: float, effect: float = 1.0
) -> tuple[Window, Change | None]:
    """The window after a check of so many rows whose values sum to `total`, and what has changed.

    `log_threshold` is that of a bank: the logarithm of checks per false alarm; `effect` rows are taken for one.
    """
    if rows <= 0:
        return window, None
    buckets = _merged([*window.buckets, Bucket(rows, total, at)])
    change = None
    while (found := _cut(buckets, log_threshold, effect)) is not None:
        change, buckets = found, buckets[1:]
    return Window(tuple(buckets)), change


def to_bytes(window: Window) -> bytes:
    """The window, to be kept."""
    return msgspec.msgpack.encode(window)


def from_bytes(data: bytes) -> Window:
    """A kept window."""
    return formats.read(_DECODE, data, "A detector's window", mend="remove it to begin anew")


def _merged(buckets: list[Bucket]) -> list[Bucket]:
    found: list[Bucket] = []
    newer = 0
    for one in reversed(buckets):
        if len(found) > 1 and found[-1].rows + one.rows <= (newer - found[-1].rows) / _FINE:
            last = found.pop()
            newer -= last.rows
            one = Bucket(one.rows + last.rows, one.total + last.total, one.at)
        found.append(one)
        newer += one.rows
    return found[::-1]


def _cut(buckets: list[Bucket], log_threshold: float, effect: float) -> Change | None:
    """The first place at which older and newer differ."""
    rows, total = sum(one.rows for one in buckets), sum(one.total for one in buckets)
    if rows <= 2 * _LEAST or len(buckets) < 2:
        return None
    mean = total / rows
    doubt = math.log(2 * (len(buckets) - 1)) + log_threshold
    old_rows, old_total = 0, 0.0
    for place, one in enumerate(buckets[:-1]):
        old_rows, old_total = old_rows + one.rows, old_total + one.total
        new_rows = rows - old_rows
        if min(old_rows, new_rows) < _LEAST:
            continue
        harmonic = 1 / (1 / old_rows + 1 / new_rows) / effect
        reach = math.sqrt(2 / harmonic * mean * (1 - mean) * doubt) + 2 / (3 * harmonic) * doubt
        before, now = old_total / old_rows, (total - old_total) / new_rows
        if abs(before - now) > reach:
            return Change(before, now, buckets[place + 1].at, new_rows)
    return None
