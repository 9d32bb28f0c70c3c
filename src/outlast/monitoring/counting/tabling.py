"""Many counts at once: every array has the group first, so that a year of checks costs no more than its rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from outlast.monitoring.counting.counts import LIGHT, Counts, Ints, shapes
from outlast.monitoring.counting.sums import LARGEST, Moments, exact

_ROOM = 4_000_000
"""Numbers in the largest array that is made at once."""


@dataclass
class Rows:
    """Rows to be counted, each with a sign, and what they add to.

    `adds`: by array, which rows, their places in the flattened array, and how much they add (else 1). `tallies`: by
    name, the rows that count. `values`: by name of moments, rows and their values. `whole`: the predictions among them.
    """

    signs: Ints
    whole: Ints
    adds: dict[str, tuple[Ints, Ints, Ints | None]] = field(default_factory=dict)
    tallies: dict[str, Ints] = field(default_factory=dict)
    values: dict[str, tuple[Ints, npt.NDArray[np.float64]]] = field(default_factory=dict)


def table(rows: Rows, groups: Ints, size: int, features: tuple[str, ...], *, light: bool = False) -> Iterator[Counts]:
    """The counts of groups 0 to `size`, in their order; a row of group -1 is in none of them."""
    kept = () if light else features
    shape = shapes(len(kept))
    widest = max((int(np.prod(shape[name])) for name in shape), default=1)
    step = max(1, _ROOM // max(1, widest))
    for first in range(0, size, step):
        yield from _some(rows, groups, (first, min(first + step, size)), kept)


def _some(rows: Rows, groups: Ints, span: tuple[int, int], features: tuple[str, ...]) -> Iterator[Counts]:
    low, high = span
    place, shape = groups - low, shapes(len(features))
    mine = (groups >= low) & (groups < high)
    names = [name for name in rows.adds if features or name in LIGHT]
    arrays = {name: _sum(rows, name, place, mine, (high - low, int(np.prod(shape[name])))) for name in names}
    heights = _weighted(rows, rows.whole, place, mine, high - low)
    tallies = {name: _weighted(rows, which, place, mine, high - low) for name, which in sorted(rows.tallies.items())}
    moments = {name: _moments(rows, found, place, mine) for name, found in sorted(rows.values.items())}
    for group in range(high - low):
        own = {name: array[group].reshape(shape[name]) for name, array in arrays.items()}
        said = {name: int(n[group]) for name, n in tallies.items() if n[group]}
        sums = {name: by_group[group] for name, by_group in moments.items() if group in by_group}
        yield Counts.of(features, int(heights[group]), own, said, sums)


def _sum(rows: Rows, name: str, place: Ints, mine: npt.NDArray[np.bool_], shape: tuple[int, int]) -> Ints:
    which, cells, much = rows.adds[name]
    groups, size = shape
    total = np.zeros(groups * size, np.int64)
    here = np.flatnonzero(mine[which])
    for part in _parts(here, cells.shape[1] if cells.ndim > 1 else 1):
        row, flat = which[part], cells[part].astype(np.int64)
        signs = rows.signs[row] if much is None else rows.signs[row] * much[part]
        where = place[row] * size
        where = where[:, None] + flat if flat.ndim > 1 else where + flat
        weights = (
            None if (signs == 1).all() else np.broadcast_to(signs[:, None] if flat.ndim > 1 else signs, where.shape)
        )
        found = np.bincount(where.ravel(), weights=None if weights is None else weights.ravel(), minlength=total.size)
        total += found if weights is None else np.rint(found).astype(np.int64)
    return total.reshape(groups, size)


def _parts(rows: Ints, width: int) -> Iterator[Ints]:
    step = max(1, _ROOM // max(1, width))
    for first in range(0, len(rows), step):
        yield rows[first : first + step]


def _weighted(rows: Rows, which: Ints, place: Ints, mine: npt.NDArray[np.bool_], size: int) -> Ints:
    here = which[mine[which]]
    return np.rint(np.bincount(place[here], weights=rows.signs[here], minlength=size)).astype(np.int64)


def _moments(
    rows: Rows, found: tuple[Ints, npt.NDArray[np.float64]], place: Ints, mine: npt.NDArray[np.bool_]
) -> dict[int, Moments]:
    which, values = found
    with np.errstate(over="ignore", invalid="ignore"):
        squares = values * values
        here = mine[which] & np.isfinite(values) & (squares < LARGEST)
    which, values, squares = which[here], values[here], squares[here]
    order = np.argsort(place[which], kind="stable")
    groups, signs = place[which][order], rows.signs[which][order]
    signed, squared = signs * values[order], signs * squares[order]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    made = {}
    for start, end in pairwise([*starts.tolist(), len(groups)]):
        total, square = exact(signed[start:end].tolist()), exact(squared[start:end].tolist())
        sums = Moments(int(signs[start:end].sum()), total, square)
        if sums:
            made[int(groups[start])] = sums
    return made
