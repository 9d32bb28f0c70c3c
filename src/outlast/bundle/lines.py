"""Rows of plain values as the model's matrix, many at once: each value has the bits it has in a row alone.

A few operations of numpy over a column cost as much as one call of Python, and there is one call a value otherwise.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.bundle.plan import Column, Equal, Fill, Number, Op, Over, Plus, Single, Times

Floats = npt.NDArray[np.float64]
Rows = Sequence[Sequence[Any]]
Lines = Callable[[Rows], Floats]
_Block = Callable[[Rows, Floats], None]
"""Fills its columns of the matrix from rows."""
_STEPS = (Plus, Times, Over)
_KEPT = 1_000
"""Values whose lines are kept; of others they are worked out each time."""


def lines_of(columns: Sequence[Column], names: Sequence[str], one: Callable[[Column], Callable[[Any], float]]) -> Lines:
    """A function from rows, whose values come in the order of names, to the lines of the matrix.

    `one` makes a function of a single value for what is not done with many at once.
    """
    blocks: list[_Block] = []
    for kind, run in groupby(enumerate(columns), key=lambda pair: _kind(pair[1])):
        placed = [(at, names.index(column.name), column) for at, column in run]
        if kind is None:
            blocks += [_by_value(at, place, one(column)) for at, place, column in placed]
        elif isinstance(kind, tuple):
            blocks.append(_numbers(placed))
        else:
            blocks.append(_chosen(placed, one))
    width = len(columns)

    def lines(rows: Rows) -> Floats:
        matrix = np.empty((len(rows), width), dtype=np.float64)
        for block in blocks:
            block(rows, matrix)
        return matrix

    return lines


def _kind(column: Column) -> tuple[type[Op], ...] | str | None:
    """What neighbours must share to be done at once: steps of numbers, or the name of a value that is one of few."""
    kinds = tuple(type(op) for op in column.ops)
    if Equal in kinds:
        return column.name
    first = column.ops[0]
    filled = kinds[1:] if isinstance(first, Fill) and first.value.__class__ in (int, float) else kinds
    if filled[:1] != (Number,) or not all(kind in (*_STEPS, Single) for kind in filled[1:]):
        return None
    return None if Over(0.0) in column.ops else kinds  # Python refuses what numpy answers


def _by_value(at: int, place: int, step: Callable[[Any], float]) -> _Block:
    def fill(rows: Rows, matrix: Floats) -> None:
        matrix[:, at] = [step(row[place]) for row in rows]

    return fill


def _numbers(placed: Sequence[tuple[int, int, Column]]) -> _Block:
    """Columns of numbers that go through steps of the same kinds."""
    first, last = placed[0][0], placed[-1][0] + 1
    pick = _picking([place for _, place, _ in placed])
    steps = [_step(list(ops)) for ops in zip(*(column.ops for _, _, column in placed), strict=True)]
    steps = [step for step in steps if step is not None]

    def fill(rows: Rows, matrix: Floats) -> None:
        values = np.array([pick(row) for row in rows], dtype=np.float64)  # None is NaN
        with np.errstate(all="ignore"):  # as a float of Python, that is of C, has it
            for step in steps:
                values = step(values)  # type: ignore[misc]
        matrix[:, first:last] = values

    return fill


def _step(ops: list[Any]) -> Callable[[Floats], Floats] | None:
    """One step over all columns of a block; of each column its own number."""
    if isinstance(ops[0], Number):
        return None
    if isinstance(ops[0], Single):
        return lambda values: values.astype(np.float32).astype(np.float64)
    by = np.array([op.value for op in ops], dtype=np.float64)
    match ops[0]:
        case Fill():
            return lambda values: np.where(np.isnan(values), by, values)
        case Plus():
            return lambda values: values + by
        case Times():
            return lambda values: values * by
        case _:
            return lambda values: values / by


def _chosen(placed: Sequence[tuple[int, int, Column]], one: Callable[[Column], Callable[[Any], float]]) -> _Block:
    """Columns of one value that is one of few: the lines it makes are kept, by value."""
    first, last, place = placed[0][0], placed[-1][0] + 1, placed[0][1]
    steps = [one(column) for _, _, column in placed]
    kept: dict[tuple[type, Any], list[float]] = {}

    def line(value: Any) -> list[float]:
        found = kept.get((value.__class__, value))
        if found is None:
            found = [step(value) for step in steps]
            if len(kept) < _KEPT:
                kept[value.__class__, value] = found
        return found

    def fill(rows: Rows, matrix: Floats) -> None:
        matrix[:, first:last] = [line(row[place]) for row in rows]

    return fill


def _picking(places: Sequence[int]) -> Callable[[Sequence[Any]], Any]:
    if len(places) == 1:
        (only,) = places
        return lambda row: (row[only],)
    return itemgetter(*places)
