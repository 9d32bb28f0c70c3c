"""The tables that are watched, and what is bet on each.

A feature or the scores: location, scale, and mass in each cell (of a category, mass only). Rates: how much is missing
or never seen before, and, as tickets, out of range, with a tighter grid than the shape has. Jumps: a feature's place,
and how much of it is missing, against its own last days (`course`). Calibration: what turned out against what the score
cell had in the reference, in dyadic groups of cells, both ways. Losses: sums are enough, because on [0, 1] the chord of
log(1 + l (g - m)) lies below it, and on 0 and 1 they meet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, BINS, CELLS, MISSING, UNSEEN
from outlast.monitoring.detecting.bets import Bet, Bets, Coins, Means, normal, shifted, upper
from outlast.monitoring.detecting.course import Jumps, jump_bets
from outlast.monitoring.detecting.tables import Floats, Table

Fold = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
Severity = Literal["page", "ticket"]

Z, Z_LABELLED = 3.0, 2.5
SHIFTS = (0.02, 0.04, 0.08, 0.16)
MASSES = (1.5, 2.5)
ODDS = (1.2, 1.5, 2.0, 3.0, 5.0)
LOSS_ODDS = (1.1, *ODDS)
RATES = (1.5, 4.0, 16.0, 64.0)
_LOCATION, _SCALE, _MASS = 0.01, 0.015, (0.005, 0.15)
_RATE = {"missing": 0.0001, "unseen": 0.0001, "below": 0.002, "above": 0.002}
_RATE_CELLS = {"missing": MISSING, "unseen": UNSEEN, "below": BELOW, "above": ABOVE}
_RATE_WEIGHTS = {"missing": 0.6, "unseen": 0.4, "below": 0.5, "above": 0.5}
_RELATIVE = 0.20
_CALIBRATION, _ERROR = 0.005, 0.005
_SHAPE_WEIGHTS = {"location": 0.40, "scale": 0.25, "mass": 0.35}
_ALL = 0.999
ORDER = (BELOW, *range(BINS), ABOVE)


@dataclass(frozen=True)
class Form:
    """How one table is bet on, and which share of a budget it has."""

    severity: Severity
    share: float
    bets: Callable[[Table], Bets | Jumps]
    shape: str
    """The cells of its counts, in words."""
    source: str
    fold: Fold | None = None
    """From the counts that are kept to the cells that are bet on."""
    seasonal: bool = True
    follows: bool = False
    """Streams are held against their own course, and need a past that tells how well that is forecast."""
    by_size: bool = False
    """Streams have parts of the family's share by the root of their rows, and not equal ones."""


def losses(counts: npt.NDArray[Any]) -> Floats:
    """From (rows, loss in thousandths) to (what was kept, what was lost), in rows."""
    rows, lost = np.asarray(counts[..., 0], np.float64), np.asarray(counts[..., 1], np.float64) / 1000
    return np.stack([rows - lost, lost], axis=-1)


def flat(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Score cell by outcome in one row: [.., 20, 2] to [.., 40]."""
    return counts if counts.shape[-1] != 2 else counts.reshape(*counts.shape[:-2], -1)


def shape_bets(table: Table) -> Means:
    """Location and scale of a number's place among the reference's (its PIT mid-rank), and mass in each bin."""
    present = np.ones(CELLS, bool)
    present[MISSING] = False
    counts = table.counts * present
    n = np.maximum(1, counts.sum(axis=1)).astype(np.float64)
    rank, variance = _ranks(counts)
    numbers = np.array([kind == "number" for kind in table.kinds or ("number",) * len(table.keys)])
    names: list[Bet] = []
    parts: list[tuple[Floats, Floats, Floats, Floats]] = []
    away = np.abs(2 * rank - 1)
    for what, place, var, margin in (("location", rank, variance, _LOCATION), ("scale", away, None, _SCALE)):
        share = normal(counts.astype(np.float64))
        mean = (share * place).sum(axis=1)
        spread = (share * (place - mean[:, None]) ** 2).sum(axis=1) if var is None else var
        known = numbers & (spread > 0)
        for direction, values in (("up", place), ("down", 1 - place)):
            for size in SHIFTS:
                names.append(Bet(what, direction, (), size))
                stake = np.where(known, size / (spread + size**2), 0.0)
                weight = np.where(known, _SHAPE_WEIGHTS[what] / (2 * len(SHIFTS)), 0.0)
                parts.append((values, stake, Z * np.sqrt(spread / n) + margin, weight))
    names, parts = _masses(counts[:, :BINS], n, (names, parts))
    values, stakes, slack, weight = (np.stack(one, axis=1) for one in zip(*parts, strict=True))
    on = np.broadcast_to(present, values.shape)
    return Means(tuple(names), normal(weight), values, on, stakes, slack)


def rate_bets(table: Table) -> Means:
    """How much is missing, or was never seen before: faults of data."""
    return _rates(table, ("missing", "unseen"))


def range_bets(table: Table) -> Means:
    """How much lies below or above what the reference had: the world may have moved there."""
    return _rates(table, ("below", "above"))


def _rates(table: Table, which: tuple[str, ...]) -> Means:
    kinds = table.kinds or ("number",) * len(table.keys)
    rows = table.counts.sum(axis=1)
    names, parts = [], []
    for what in which:
        cell = _RATE_CELLS[what]
        watched = np.array([kind == "number" or cell in (MISSING, UNSEEN) for kind in kinds])
        for size in RATES:
            names.append(Bet(what, "up", (cell,), size))
            weight = np.where(watched, _RATE_WEIGHTS[what] / len(RATES), 0.0)
            parts.append(
                (*_indicator(table.counts[:, cell], rows, _Margin(Z, _RATE[what], _RELATIVE, size), cell), weight)
            )
    values, stakes, slack, weight = (np.stack(one, axis=1) for one in zip(*parts, strict=True))
    return Means(tuple(names), normal(weight), values, np.ones(values.shape, bool), stakes, slack)


def occupancy_bets(table: Table) -> Means:
    """Mass in each of a few places, such as the leaves of a tree."""
    n = np.maximum(1, table.counts.sum(axis=1)).astype(np.float64)
    names, parts = _masses(table.counts, n, ([], []))
    values, stakes, slack, weight = (np.stack(one, axis=1) for one in zip(*parts, strict=True))
    return Means(tuple(names), normal(weight), values, np.ones(values.shape, bool), stakes, slack)


def calibration_bets(table: Table) -> Coins:
    """Outcomes against the share the score cell had in the reference: 8 groups of cells, then 4, 2 and all."""
    pairs = table.counts.reshape(len(table.keys), -1, 2).astype(np.float64)
    rows, yes = pairs.sum(axis=-1), pairs[..., 1]
    overall = (yes.sum(axis=1) + 0.5) / (rows.sum(axis=1) + 1)
    rate = (yes + overall[:, None]) / (rows + 1)
    names, limits, odds, member, up = [], [], [], [], []
    for cells in dyadic(pairs.shape[1]):
        for direction in ("up", "down"):
            for size in ODDS:
                names.append(Bet("calibration", direction, cells, size))
                mine = np.isin(np.arange(pairs.shape[1]), cells)
                side = rate if direction == "up" else 1 - rate
                limits.append(_coin_limits(side, rows, mine, size))
                odds.append(size)
                member.append(mine)
                up.append(direction == "up")
    one = np.ones((len(table.keys), len(names)))
    chosen = np.stack(limits, axis=1), np.array(odds), np.array(member)
    return Coins(tuple(names), normal(one), rate, *chosen, np.array(up))


def loss_bets(table: Table) -> Means:
    """A mean loss in [0, 1], upwards."""
    return _sides(table, (("loss", "up"),))


def share_bets(table: Table) -> Means:
    """The share of the second of two cells, both ways."""
    return _sides(table, (("share", "up"), ("share", "down")))


def dyadic(cells: int) -> list[tuple[int, ...]]:
    """Groups of neighbouring score cells: eighths, quarters, halves, all; below and above join the outermost."""
    found = []
    for parts in (8, 4, 2, 1):
        width = BINS // parts
        for part in range(parts):
            group = list(range(part * width, (part + 1) * width))
            group += [BELOW] if part == 0 and cells > BELOW else []
            group += [ABOVE] if part == parts - 1 and cells > ABOVE else []
            found.append(tuple(group))
    return found


@dataclass(frozen=True)
class _Margin:
    z: float
    absolute: float
    relative: float
    size: float


def _indicator(
    hits: npt.NDArray[Any], rows: npt.NDArray[Any], margin: _Margin, cell: int, cells: int = CELLS
) -> tuple[Floats, Floats, Floats]:
    """Values, stakes and slack of a bet that a cell's share is larger by a factor."""
    share = np.asarray(hits, np.float64) / np.maximum(1, rows)
    limit = upper(hits, rows, margin.z) + np.maximum(margin.absolute, margin.relative * share)
    limit = np.minimum(limit, 1.0)
    aim = np.maximum(np.minimum(limit * margin.size, (1 + limit) / 2), limit)
    values = np.zeros((len(share), cells))
    values[:, cell] = 1.0
    return values, _stake(aim, limit), limit - share


def _stake(aim: Floats, limit: Floats) -> Floats:
    """The bet that is a likelihood ratio of two coins; none where all but everything is within the limit."""
    return np.where(limit < _ALL, (aim - limit) / np.maximum(1e-12, limit * (1 - limit)), 0.0)


def _masses(
    counts: npt.NDArray[Any], rows: Floats, so_far: tuple[list[Bet], list[tuple[Floats, Floats, Floats, Floats]]]
) -> tuple[list[Bet], list[tuple[Floats, Floats, Floats, Floats]]]:
    """Bets that a cell has more rows; cells the reference does not use are left to the rates."""
    names, parts = list(so_far[0]), list(so_far[1])
    cells = CELLS if counts.shape[1] == BINS else counts.shape[1]
    used = np.asarray(counts) > 0
    for cell in range(counts.shape[1]):
        for size in MASSES:
            names.append(Bet("mass", "up", (cell,), size))
            found = _indicator(counts[:, cell], rows, _Margin(Z, *_MASS, size), cell, cells)
            each = _SHAPE_WEIGHTS["mass"] / np.maximum(1, used.sum(axis=1)) / len(MASSES)
            parts.append((*found, np.where(used[:, cell], each, 0.0)))
    return names, parts


def _sides(table: Table, sides: tuple[tuple[str, str], ...]) -> Means:
    counts = table.counts.astype(np.float64)
    rows = counts.sum(axis=1)
    names, parts = [], []
    for what, direction in sides:
        cell = 1 if direction == "up" else 0
        share = counts[:, cell] / np.maximum(1e-9, rows)
        limit = np.minimum(1.0, upper(counts[:, cell], rows, Z_LABELLED) + _ERROR)
        for size in LOSS_ODDS:
            names.append(Bet(what, direction, (cell,), size))
            aim = shifted(limit, np.array(size))
            values = np.zeros((len(rows), 2))
            values[:, cell] = 1.0
            parts.append((values, _stake(aim, limit), limit - share, np.ones(len(rows))))
    values, stakes, slack, weight = (np.stack(one, axis=1) for one in zip(*parts, strict=True))
    return Means(tuple(names), normal(weight), values, np.ones(values.shape, bool), stakes, slack)


def _ranks(counts: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Mid-ranks of the cells of numbers, and their variance; other cells stand in the middle."""
    places = list(ORDER)
    share = normal(np.asarray(counts, np.float64)[:, places])
    ranks = np.full(counts.shape, 0.5)
    ranks[:, places] = np.cumsum(share, axis=1) - share / 2
    return ranks, np.asarray((share * (ranks[:, places] - 0.5) ** 2).sum(axis=1), np.float64)


def _coin_limits(rate: Floats, rows: Floats, mine: npt.NDArray[np.bool_], size: float) -> Floats:
    """The reference's rate of each cell, with the sampling error of the group's stake-weighted mean and a margin."""
    aim = shifted(rate, np.array(size))
    weight = rows * np.where(mine, (aim - rate) / (rate * (1 - rate)), 0.0)
    error = np.sqrt(rate * (1 - rate) / (rows + 1))
    slack = np.sqrt(((weight * error) ** 2).sum(axis=1)) / np.maximum(1e-12, weight.sum(axis=1))
    return np.asarray(np.clip(rate + (Z_LABELLED * slack + _CALIBRATION)[:, None], 1e-6, 0.999), np.float64)


FORMS: Mapping[str, Form] = {
    "loss": Form("page", 0.15, loss_bets, "stream: rows, loss in thousandths", "loss", losses),
    "calibration": Form(
        "page", 0.25, calibration_bets, "one stream: score cell x outcome", "calibration", flat, seasonal=False
    ),
    "estimated": Form("page", 0.15, loss_bets, "stream: rows, estimated loss in thousandths", "estimated", losses),
    "slices": Form("page", 0.20, loss_bets, "slice: rows, loss in thousandths", "slices", losses, by_size=True),
    "rates": Form("page", 0.15, rate_bets, "feature: 20 cells", "features"),
    "volume": Form("page", 0.02, shape_bets, "one stream: the 20 cells of how many rows came", "volume"),
    "volume out of range": Form("page", 0.03, range_bets, "one stream: the 20 cells of how many rows came", "volume"),
    "scores": Form("page", 0.05, shape_bets, "one stream: 20 score cells", "scores"),
    "features": Form("ticket", 0.45, shape_bets, "feature: 20 cells", "features"),
    "ranges": Form("ticket", 0.10, range_bets, "feature: 20 cells", "features"),
    "jumps": Form("ticket", 0.25, jump_bets, "feature: 20 cells", "course", seasonal=False, follows=True),
    "leaves": Form("ticket", 0.10, occupancy_bets, "one stream: rows by leaf", "leaves"),
    "outcomes": Form("ticket", 0.10, share_bets, "one stream: rows by outcome", "outcomes"),
}
"""Families by name. MONITORING's budget; a family without its table gives its share to the others."""
