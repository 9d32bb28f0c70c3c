"""The facts of one entity laid out in memory, so that a window over many of them costs little.

Sums are differences of running totals in whole numbers of any size, which lose nothing; least and greatest values come
from blocks. Both give the bits of the written arithmetic, and what has no such short cut goes through it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import isfinite
from typing import Any

from outlast.features.arithmetic import total
from outlast.storage.fresh import Version

Decode = Callable[[Sequence[bytes]], list[list[Any]]]
"""From what the store keeps of some facts to their measures, a list for each fact."""
FEW = 64
"""Up to so many facts, adding them up is quicker than keeping totals."""
_BLOCK = 128
_DEEPEST = 300
"""Totals are kept in 2^-300 at the finest: below lie values that nobody measures."""


@dataclass(frozen=True)
class Plan:
    """One output: its width in microseconds, the name of its operation, the measure it reads, and how it is computed.

    Without a width no fact is too old, with `rows` it takes so many of the newest. Without a measure it reads all of
    them, each a list.
    """

    width: int | None
    operation: str
    measure: int | None
    compute: Callable[[Any], Any]
    rows: int | None = None


@dataclass(eq=False)
class _Totals:
    """Running totals and counts before each fact, in units of 2^-shift; of whole numbers the shift is None."""

    shift: int | None
    totals: list[int]
    counts: list[int]

    def sum(self, low: int, high: int) -> int | float:
        exact = self.totals[high] - self.totals[low]
        if self.shift is None:
            return total([exact])
        return exact / (1 << self.shift)  # of two whole numbers: rounded once, to the nearest


@dataclass(eq=False)
class Held:
    """An entity's facts in order, without those that a later version replaced until the moment `settled`."""

    since: int
    mark: str
    decode: Decode
    last: tuple[int, str] = (-(2**63), "")
    settled: int = -(2**63)
    known: list[int] = field(default_factory=list)
    columns: list[list[Any]] = field(default_factory=list)
    _totals: dict[int, _Totals | None] = field(default_factory=dict)
    _blocks: dict[tuple[int, str], list[Any]] = field(default_factory=dict)

    def grow(self, facts: Iterable[Version]) -> "Held":
        """Add the facts that come after those already here."""
        begin = len(self.known)
        values = []
        for fact in facts:
            if (fact.known, fact.key) <= self.last:
                continue
            self.last = (fact.known, fact.key)
            if fact.superseded is not None:
                self.settled = max(self.settled, fact.superseded)
                continue
            self.known.append(fact.known)
            values.append(fact.values)
        rows = self.decode(values)
        for place, added in enumerate(zip(*rows, strict=True)):
            if place == len(self.columns):
                self.columns.append([])
            self.columns[place] += added
        for measure, kept in list(self._totals.items()):
            if rows and not _extended(kept, self.columns[measure][begin:]):
                del self._totals[measure]
        return self

    def values(self, plans: Sequence[Plan], at: int, *, once: bool = False) -> list[Any]:
        """Each plan over its window before a moment; asked only once, totals would cost more than they save."""
        high = bisect_left(self.known, at)
        lows: dict[tuple[int | None, int | None], int] = {}
        found = []
        for plan in plans:
            span = plan.width, plan.rows
            low = lows.get(span)
            if low is None:
                low = 0 if plan.rows is None else max(0, high - plan.rows)
                if plan.width is not None:
                    low = bisect_left(self.known, at - plan.width, low, high)
                lows[span] = low
            found.append(self._plain(plan, low, high) if once else self._value(plan, low, high))
        return found

    def before(self, at: int) -> int:
        """How many facts are known before a moment."""
        return bisect_left(self.known, at)

    def _value(self, plan: Plan, low: int, high: int) -> Any:
        if plan.measure is not None and high - low > FEW:
            if plan.operation in ("sum", "mean", "count"):
                return self._added(plan, low, high)
            if plan.operation in ("min", "max"):
                return plan.compute(self._reduced(plan, low, high))
        return self._plain(plan, low, high)

    def _plain(self, plan: Plan, low: int, high: int) -> Any:
        """By the written arithmetic, value by value."""
        if plan.measure is None:
            return plan.compute([column[low:high] for column in self.columns])
        return plan.compute(self.columns[plan.measure][low:high] if self.columns else [])

    def _added(self, plan: Plan, low: int, high: int) -> Any:
        assert plan.measure is not None
        column = self.columns[plan.measure]
        if plan.measure not in self._totals:
            self._totals[plan.measure] = _totals_of(column)
        kept = self._totals[plan.measure]
        if kept is None:
            return plan.compute(column[low:high])
        count = kept.counts[high] - kept.counts[low]
        if plan.operation == "count" or not count:
            return count if plan.operation == "count" else plan.compute([])
        try:
            summed = kept.sum(low, high)
        except OverflowError:
            return plan.compute(column[low:high])
        return summed if plan.operation == "sum" else float(summed) / count

    def _reduced(self, plan: Plan, low: int, high: int) -> list[Any]:
        """The values at the edges of a window, and in between one value for each whole block."""
        assert plan.measure is not None
        column = self.columns[plan.measure]
        blocks = self._blocks.setdefault((plan.measure, plan.operation), [])
        for begin in range(len(blocks) * _BLOCK, len(column) - _BLOCK + 1, _BLOCK):
            blocks.append(plan.compute(column[begin : begin + _BLOCK]))
        first, end = -(-low // _BLOCK), high // _BLOCK
        if first >= end:
            return column[low:high]
        return [*column[low : first * _BLOCK], *blocks[first:end], *column[end * _BLOCK : high]]


def _totals_of(column: list[Any]) -> _Totals | None:
    """Running totals of a measure; None where they would not be exact or of any use."""
    present = [value for value in column if value is not None]
    if any(isinstance(value, str | bytes | list | dict) for value in present[:1]):
        return None
    shift = _shift_of(present) if present and isinstance(present[0], float) else None
    if shift is not None and shift < 0:
        return None
    kept = _Totals(shift, [0], [0])
    return kept if _extended(kept, column) else None


def _shift_of(values: Sequence[float]) -> int:
    """The least power of two that makes all of them whole, and a little more for what is still to come; else -1."""
    if not all(map(isfinite, values)):
        return -1
    finest = max(value.as_integer_ratio()[1].bit_length() - 1 for value in values)
    return finest + 8 if finest <= _DEEPEST else -1


def _extended(kept: _Totals | None, values: Sequence[Any]) -> bool:
    """Add values to running totals, if they are whole in its units; a measure without totals has none for good."""
    if kept is None:
        return True
    whole = _whole(values, kept.shift)
    if whole is None:
        return False
    kept.totals += list(accumulate(whole, initial=kept.totals[-1]))[1:]
    kept.counts += list(accumulate((value is not None for value in values), initial=kept.counts[-1]))[1:]
    return True


def _whole(values: Sequence[Any], shift: int | None) -> list[int] | None:
    """Values in units of 2^-shift, nothing counting as nothing."""
    if shift is None:
        whole = [0 if value is None else value for value in values]
        return None if any(isinstance(value, float) for value in whole) else whole
    found = []
    for value in values:
        if value is None:
            found.append(0)
            continue
        if not isfinite(value):
            return None
        numerator, denominator = value.as_integer_ratio()
        moved = shift - denominator.bit_length() + 1
        if moved < 0:
            return None
        found.append(numerator << moved)
    return found
