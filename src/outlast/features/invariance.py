"""Batch invariance: a function gives a row the same values alone, in a batch, shuffled, in halves and called again.

It is tried on a sample, of `ROWS` rows at most: for each column a row where it is missing, its least and its greatest
value, and rows drawn at random. The values of all rows at once are there already and are what is compared with. What
happens only for one row in many thousands, and is none of those, is not seen here; the golden replay and the audit of
what was served look again.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from outlast.errors import FeatureError, OutlastError
from outlast.features.calling import short, shown_row
from outlast.features.causes import CALLS, CLOCK, ROWS, UNKNOWN, Kind, cause_of, clock_read
from outlast.features.functions import apply, name_of
from outlast.types import counted

SAMPLE, ALONE, BATCH = 256, 24, 16
Function = Callable[..., Any]


@dataclass(frozen=True)
class Difference:
    """One value that hangs on more than its row: where, what it was, and what it was in another company."""

    column: str
    row: int
    value: Any
    other: Any
    among: str
    otherwise: str
    kinds: tuple[Kind, ...]


def prove(functions: Sequence[Function], given: pl.DataFrame, rows: pl.DataFrame) -> int:
    """How many rows were tried; FeatureError where a function's values hang on more than their row.

    `given` is what functions see of all rows; `rows` is the same with what they gave for all of them at once.
    """
    places = sample(given)
    if not places:
        return 0
    left = [name for name in rows.columns if name not in given.columns]
    for index, function in enumerate(functions):
        seen = _Tried(function, given, places)
        together = seen.values(places)
        own = [name for name in left if name in together.columns]
        last = index == len(functions) - 1
        _same_columns(function, together, own if not last else left, (rows.height, len(places)))
        left = [name for name in left if name not in own]
        difference = next(seen.differences(rows.select(own)[places], together, rows.height), None)
        if difference is not None:
            if difference.kinds is ROWS:
                difference = next(seen.later(together), difference)
            raise FeatureError(_sentence(function, given, difference), details={"column": difference.column})
        _no_clock(function, seen)
    return len(places)


def sample(given: pl.DataFrame) -> list[int]:
    """The rows that are tried: odd ones of each column first, then rows drawn at random, always the same ones."""
    if given.height <= SAMPLE:
        return list(range(given.height))
    places: dict[int, None] = {}
    for series in given.get_columns():
        gone = series.is_null()
        if series.dtype.is_float():
            gone = gone | series.is_nan().fill_null(False)
        odd = [gone.arg_max() if gone.any() else None]
        if series.dtype.is_numeric() or series.dtype.is_temporal():
            odd += [series.arg_min(), series.arg_max()]
        places.update(dict.fromkeys(place for place in odd if place is not None and len(places) < SAMPLE // 2))
    drawn = np.random.default_rng(0).choice(given.height, SAMPLE, replace=False).tolist()
    places.update(dict.fromkeys(drawn))
    return list(places)[:SAMPLE]


class _Tried:
    """A function called on parts of a sample, and where its values differ from those of all rows at once."""

    def __init__(self, function: Function, given: pl.DataFrame, places: list[int]) -> None:
        self.function, self.given, self.places = function, given, places

    def values(self, places: list[int]) -> pl.DataFrame:
        """What the function gives for some rows together."""
        rows = self.given[places]
        try:
            return apply(self.function, rows)
        except OutlastError:
            raise
        except Exception as error:  # the function is the user's and may raise anything
            raise self._fails(len(places), error) from error

    def differences(self, whole: pl.DataFrame, together: pl.DataFrame, height: int) -> Iterator[Difference]:
        """Each way of calling in turn: again, in the sample, shuffled, in parts, alone, and again after all that."""
        many = counted(height, "row")
        size = len(self.places)
        order = list(range(size))
        yield from self._against(together, order, "in one call", "in the next call of the same rows", CALLS)
        yield from self._unlike(whole, together, order, (f"among {many}", f"among {size} of them", ROWS))
        for part in (order[: size // 2], order[size // 2 :], order[:BATCH]):
            yield from self._against(together, part, f"among {size} rows", f"among {len(part)} of them", ROWS)
        for one in order[:: max(1, size // ALONE)][:ALONE]:
            yield from self._against(together, [one], f"among {size} rows", "alone", ROWS)
        mixed = random.Random(0).sample(order, size)
        yield from self._against(together, mixed, "in one order of rows", "in another order", ROWS)
        yield from self.later(together)

    def later(self, together: pl.DataFrame) -> Iterator[Difference]:
        """The same call again, after others: what has changed is kept between calls."""
        yield from self._against(together, list(range(len(self.places))), "at first", "after other calls", CALLS)

    def _against(
        self, together: pl.DataFrame, part: list[int], among: str, otherwise: str, kinds: tuple[Kind, ...]
    ) -> Iterator[Difference]:
        if not part:
            return
        found = self.values([self.places[index] for index in part])
        names = [name for name in together.columns if name not in found.columns]
        names += [name for name in found.columns if name not in together.columns]
        if names:
            raise FeatureError(
                _columns_sentence(self.function, names[0], (among, otherwise), names[0] in together.columns)
            )
        yield from self._unlike(together[part], found, part, (among, otherwise, kinds))

    def _unlike(
        self, first: pl.DataFrame, second: pl.DataFrame, part: list[int], how: tuple[str, str, tuple[Kind, ...]]
    ) -> Iterator[Difference]:
        for name in first.columns:
            one, other = first[name].to_list(), second[name].to_list()
            for index, left, right in zip(part, one, other, strict=True):
                if not same(left, right):
                    yield Difference(name, self.places[index], left, right, *how)

    def _fails(self, rows: int, error: Exception) -> FeatureError:
        company = "a row alone" if rows == 1 else f"{rows} rows"
        return FeatureError(
            f"Function '{name_of(self.function)}' fails on {company} where it took all of them: "
            f"{type(error).__name__}: {error}; a server asks it about one row or a few"
        )


def same(one: Any, other: Any) -> bool:
    """Whether two values are one to the last bit; a whole number may come as a float where some rows are missing.

    >>> same(2, 2.0), same(0.1 + 0.2, 0.3), same(float("nan"), float("nan")), same(None, 0)
    (True, False, True, False)
    """
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (one != one and other != other)
    return bool(one == other)


def _same_columns(function: Function, found: pl.DataFrame, expected: list[str], sizes: tuple[int, int]) -> None:
    among = (f"for {counted(sizes[0], 'row')}", f"for {sizes[1]} of them")
    lost = [name for name in expected if name not in found.columns]
    new = [name for name in found.columns if name not in expected]
    if lost or new:
        raise FeatureError(_columns_sentence(function, (lost or new)[0], among, bool(lost)))


def _columns_sentence(function: Function, column: str, among: tuple[str, str], there_first: bool) -> str:
    gives, lacks = among if there_first else among[::-1]
    return (
        f"Function '{name_of(function)}' returns a column '{column}' {gives} and not {lacks}: "
        f"which columns there are must not hang on the rows{_because(function, ROWS)}"
    )


def _no_clock(function: Function, seen: _Tried) -> None:
    read = clock_read(function, lambda: seen.values(seen.places[:BATCH]))
    if read is not None:
        raise FeatureError(
            f"Function '{name_of(function)}' reads the clock ({read}): a row of the past would get other values at its "
            f"training than it had at its decision; {CLOCK.instead}"
        )


def _sentence(function: Function, given: pl.DataFrame, one: Difference) -> str:
    shown = shown_row(given.row(one.row, named=True))
    return (
        f"Function '{name_of(function)}' gives '{one.column}' by more than its row: row {one.row} ({shown}) has "
        f"{short(one.value)} {one.among} and {short(one.other)} {one.otherwise}{_because(function, one.kinds)}"
    )


def _because(function: Function, kinds: tuple[Kind, ...]) -> str:
    cause = cause_of(function, kinds)
    return f"; {UNKNOWN}" if cause is None else f"; {cause}: {cause.kind.instead}"
