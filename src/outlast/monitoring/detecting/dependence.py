"""How many rows weigh as one: the design effect of each stream, measured on its own past.

Rows of one hour share weather, campaigns and feeds, and a bank that took them for independent would soon alarm. The
evidence of a stream is therefore divided by phi: the variance of block means against that of independent rows, the
largest over blocks of an hour, six, a day and a week, after hour-of-week means are taken out, at its upper 90 % limit
(bootstrap over blocks), at least 1, and shrunk over the streams of a family. Of bets that follow a stream's course it
is measured on what their forecasts missed by, which is all that hangs together for them. This makes the bound
plausible. It does not prove it.
"""

import numpy as np
import numpy.typing as npt

from outlast.monitoring.detecting.bets import Bets, whole
from outlast.monitoring.detecting.course import Jumps
from outlast.monitoring.detecting.tables import HOUR, Floats, Season, Table, slot_of

LENGTHS = (1, 6, 24, 168)
"""Blocks, in hours."""
_LEAST_BLOCKS = 8
_RESAMPLES = 200
_LEAST_RATIO = 0.05
_TENTH = 1.2816


def effects(table: Table, bets: Bets, season: Season) -> Floats:
    """phi of each stream; 1 where there is no past to measure it by."""
    if table.past is None or table.starts is None:
        return np.ones(len(table.keys))
    moved, within = _residuals(table, bets, season)
    return np.asarray(_largest(table, moved, within, bets.groups()).max(axis=0, initial=1.0), np.float64)


def course_effects(table: Table, bets: Jumps) -> Floats:
    """phi of each stream and functional of bets that follow a course, by what their forecasts missed."""
    _, moved, within = bets.errors(table)
    return _largest(table, moved, within, [[place] for place in range(moved.shape[2])]).T


def _largest(table: Table, moved: Floats, within: Floats, groups: list[list[int]]) -> Floats:
    """[group, stream]: the largest over blocks of every length."""
    found = np.ones((len(groups), len(table.keys)))
    if table.starts is None:
        return found
    starts = table.starts - table.starts[0]
    for length in LENGTHS:
        place = starts // max(length * HOUR, table.block)
        _, first = np.unique(place, return_index=True)
        if len(first) >= _LEAST_BLOCKS and (length * HOUR >= table.block or length == 1):
            ratios, weights = _ratios(np.add.reduceat(moved, first), np.add.reduceat(within, first), groups)
            found = np.maximum(found, _upper(ratios, weights))
    return found


def _residuals(table: Table, bets: Bets, season: Season) -> tuple[Floats, Floats]:
    """Sums beyond what season and reference expect, [block, stream, functional], and their variance if independent."""
    if table.past is None or table.starts is None:
        raise ValueError("a table without a past has no residuals")
    if season.by_slot is None:
        moved, within = bets.residuals(table.past, whole(table.past.sum(axis=0)))
    else:
        slots = slot_of(table.starts)
        shape = bets.residuals(table.past[:1], season.overall)[0].shape[1:]
        moved, within = (np.zeros((len(slots), *shape)) for _ in range(2))
        for slot in np.unique(slots):
            mine = slots == slot
            moved[mine], within[mine] = bets.residuals(table.past[mine], season.by_slot[slot])
    moved -= within * (moved.sum(axis=0) / np.maximum(1e-300, within.sum(axis=0)))
    return moved, within


def _ratios(moved: Floats, within: Floats, groups: list[list[int]]) -> tuple[Floats, Floats]:
    """[group, block, stream]: squared sums, and their expectation for independent rows."""
    squares = np.stack([(moved[..., one] ** 2).sum(axis=-1) for one in groups])
    expected = np.stack([within[..., one].sum(axis=-1) for one in groups])
    return squares, expected


def _upper(squares: Floats, expected: Floats) -> Floats:
    """The upper limit of the ratio, [group, stream]: pooled over the family, then to its own as data carry it."""
    blocks = squares.shape[1]
    draws = np.random.default_rng(blocks).multinomial(blocks, np.full(blocks, 1 / blocks), size=_RESAMPLES)
    known = expected.sum(axis=1) > 0
    own = _log_ratio(squares.sum(axis=1), expected.sum(axis=1))
    resampled = _log_ratio(_drawn(draws, squares), _drawn(draws, expected))
    noise = resampled.var(axis=1)
    count = np.maximum(1, known.sum(axis=1))
    pooled = np.where(known, own, 0.0).sum(axis=1) / count
    pooled_noise = (np.where(known[:, None], resampled, 0.0).sum(axis=2) / count[:, None]).var(axis=1)
    spread = np.where(known, (own - pooled[:, None]) ** 2 - noise, 0.0).sum(axis=1) / np.maximum(1, count - 1)
    share = np.maximum(0.0, spread)[:, None] / np.maximum(1e-300, np.maximum(0.0, spread)[:, None] + noise)
    share = np.where(count[:, None] > 1, share, 1.0)
    middle = pooled[:, None] + share * (own - pooled[:, None])
    reach = np.sqrt(share * noise + (1 - share) ** 2 * pooled_noise[:, None])
    limits = np.where(known, np.exp(middle + _TENTH * reach), 1.0)
    return np.asarray(limits, np.float64)


def _drawn(draws: npt.NDArray[np.int64], values: Floats) -> Floats:
    """[group, draw, stream]"""
    return np.asarray(np.matmul(draws[None].astype(np.float64), values), np.float64)


def _log_ratio(squares: Floats, expected: Floats) -> Floats:
    ratio = np.where(expected > 0, squares / np.maximum(expected, 1e-300), 1.0)
    return np.log(np.maximum(_LEAST_RATIO, ratio))
