"""Bets that a feature has jumped: each check against the course of the checks before it, and not against a reference.

A slow move and a season are in the course themselves, so what the reference never saw in months, or saw each spring,
is no news; what changes overnight is. The limit of a bet is a forecast that knows only the checks before, plus what
such forecasts have missed by on the model's own past. So the conditional mean is plausibly at or below it, which
is all that the bound of a bank asks; a forecast from a reference months old could not say so of a season.

    level    the mean of the checks before with a half-life, as what exceeds the hour of the week's usual; one check
             moves it by little more than the usual error (robust exponential smoothing: Gelper, Fried & Croux 2010)
    limit    forecast + its sampling error + the part of the usual error that could have been foreseen + a margin
    log e    x log(odds) - n log(1 + (odds - 1) limit), where n rows sum to x on [0, 1]: a likelihood ratio of two
             coins, which by convexity is no more than fair for any values in [0, 1]; divided by phi, as in `dependence`
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, BINS, CELLS, MISSING, UNSEEN
from outlast.monitoring.detecting.bets import Bet, normal
from outlast.monitoring.detecting.tables import HOUR, SLOTS, Floats, Ints, Table, season_of, slot_of

FUNCTIONALS = ("location", "missing")
ODDS = (2.0, 5.0, 15.0)
MEMORY = 48 * HOUR
"""The half-life of the level, in seconds; two checks where these are further apart."""
Z = 3.0
LEAST = 20
"""Forecasts of the past below which their error is not known, and nothing is bet."""
_MARGINS = (0.01, 0.005)
_WEIGHTS = {"location": 0.7, "missing": 0.3}
_LEAK = 1 / 8
"""How much of what exceeds the usual error moves the level: a new course is taken for one in the end."""
_STALE = 2 * MEMORY
"""Seconds without a row after which a level is forgotten, or four checks. A night only ages it by two checks: who flies
in the morning is forecast by the evening, and the past has nights too."""
PARTS = 4
_LEVEL, _ROWS, _LAST, _CHECKS = range(PARTS)
_SIDES = (("location", "up"), ("location", "down"), ("missing", "up"))
"""What is bet on, and which way; each with every odds."""
_CELLS_OF: dict[str, tuple[int, ...]] = {"location": (), "missing": (MISSING,)}
_WHICH = np.array([FUNCTIONALS.index(what) for what, _ in _SIDES])
_DOWN = np.array([float(way == "down") for _, way in _SIDES])
_WAY = 1 - 2 * _DOWN
_LOG_ODDS, _LESS = np.log(ODDS), np.array(ODDS) - 1
_NUMBERS, _WORDS = (BELOW, *range(BINS), ABOVE), (*range(BINS), UNSEEN)


@dataclass(frozen=True, eq=False)
class Jumps:
    """Bets on a feature's place (its PIT mid-rank; of a category, by how common it was) and on what is missing.

    `values` and `on` are [stream, functional, cell]; `usual` [slot, stream, functional], of one slot where there is no
    season; `error` and `foreseen` [stream, functional].
    """

    names: tuple[Bet, ...]
    weight: Floats
    values: Floats
    on: Floats
    usual: Floats
    memory: float
    """The half-life of the level, in seconds."""
    check: int
    """Seconds from one check to the next."""
    enough: int
    """Checks after which a level is known: those of two half-lives."""
    error: Floats
    """The usual error of a forecast, on the model's own past."""
    foreseen: Floats
    """The part of it that the error half a half-life before would have told, and a margin. What wanders faster than the
    level is dependence, for which evidence is divided; what lasts longer is a level that lags, and is in the limit."""
    together: Floats
    """How many rows weigh as one, by what hangs together of what forecasts missed."""
    allowed: Floats
    """What is no news however it comes: as much missing as the reference has, or the contract allows."""

    def begin(self) -> Floats:
        """What is remembered before the first check: level, rows, last check and checks, [stream, functional, 4]."""
        return np.zeros((*self.error.shape, PARTS))

    def step(self, course: Floats, counts: npt.NDArray[Any], at: int) -> tuple[Floats, Floats]:
        """One check that began at a second: log e, [stream, bet], and the course after it."""
        seen = self._seen(course, counts, at)
        found = self._evidence(seen)
        return found, self._after(seen, at)

    def errors(self, table: Table) -> tuple[Floats, Floats, Floats]:
        """Of each block of the past: rows, by how much sums exceed the forecast, and their variance if independent.

        Zeros stand where too little came before for a forecast.
        """
        past, starts = _past_of(table)
        rows, missed, within = (np.zeros((len(past), *self.error.shape)) for _ in range(3))
        course = self.begin()
        for place, (counts, at) in enumerate(zip(past, starts.tolist(), strict=True)):
            seen = self._seen(course, counts, at)
            rows[place] = np.where(seen.ripe, seen.rows, 0.0)
            missed[place] = np.where(seen.ripe, seen.sums - seen.rows * seen.forecast, 0.0)
            within[place] = rows[place] * seen.forecast * (1 - seen.forecast)
            course = self._after(seen, at)
        return rows, missed, within

    def replayed(self, table: Table) -> Floats:
        """log e of each block of the past in its own order, [block, stream, bet]."""
        past, starts = _past_of(table)
        course, found = self.begin(), np.zeros((len(past), *self.weight.shape))
        for place, (counts, at) in enumerate(zip(past, starts.tolist(), strict=True)):
            found[place], course = self.step(course, counts, at)
        return found

    def _seen(self, course: Floats, counts: npt.NDArray[Any], at: int) -> "_Seen":
        both = np.matmul(self._sides, np.asarray(counts, np.float64)[:, :, None])[..., 0]
        gone = at - course[..., _LAST]
        known = course.copy()
        known[..., _ROWS] *= 0.5 ** (np.minimum(gone, 2 * self.check) / self.memory)
        stale = gone > max(_STALE, 4 * self.check)
        if stale.any():
            known[stale] = 0.0
        usual = self.usual[int(slot_of(at)) if len(self.usual) == SLOTS else 0]
        forecast = np.minimum(1.0, np.maximum(0.0, usual + known[..., _LEVEL]))
        ripe = known[..., _CHECKS] >= self.enough
        return _Seen(both[:, : len(FUNCTIONALS)], both[:, len(FUNCTIONALS) :], usual, course, known, forecast, ripe)

    def _evidence(self, seen: "_Seen") -> Floats:
        known = np.maximum(1.0, seen.known[..., _ROWS])
        slack = self.foreseen + Z * np.sqrt(seen.forecast * (1 - seen.forecast) / known + 1 / known**2)
        weight = seen.ripe / self.together
        rows = (seen.rows * weight)[:, _WHICH]
        sums = _DOWN * rows + _WAY * (seen.sums * weight)[:, _WHICH]
        expected = _DOWN + _WAY * np.maximum(seen.forecast, self.allowed)[:, _WHICH]
        limit = np.minimum(1.0, expected + slack[:, _WHICH])
        found = sums[..., None] * _LOG_ODDS - rows[..., None] * np.log1p(_LESS * limit[..., None])
        return np.asarray(found.reshape(len(rows), -1), np.float64)

    def _after(self, seen: "_Seen", at: int) -> Floats:
        """The course with this check in it. A check that is far off moves it by its usual error, and a little more."""
        rows = np.maximum(1e-12, seen.rows)
        off = seen.sums / rows - seen.usual - seen.known[..., _LEVEL]
        near = np.minimum(self.error, np.maximum(-self.error, off))
        moved = np.where(seen.ripe, near + _LEAK * (off - near), off)
        found = seen.known.copy()
        found[..., _LEVEL] += moved * rows / (rows + seen.known[..., _ROWS])
        found[..., _ROWS] += rows
        found[..., _LAST] = at
        found[..., _CHECKS] += 1
        return np.where((seen.rows > 0)[..., None], found, seen.before)

    @cached_property
    def _sides(self) -> Floats:
        """[stream, twice the functionals, cell]: where rows count, and their values."""
        return np.concatenate([self.on, self.values], axis=1)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A check beside what was known before it, each [stream, functional]."""

    rows: Floats
    sums: Floats
    usual: Floats
    before: Floats
    """What was remembered, [stream, functional, 4]; `known` is the same, as old as it is by now."""
    known: Floats
    forecast: Floats
    ripe: npt.NDArray[np.bool_]


def jump_bets(table: Table) -> Jumps:
    """The bets of a table's features, before anything is known of how well they are forecast."""
    values, on = _functionals(table)
    season = season_of(table)
    slots = season.overall[None] if season.by_slot is None else season.by_slot
    rows, sums = (np.einsum("hsc,sfc->hsf", slots, side) for side in (on, values))
    usual = sums / np.maximum(rows, 1e-12)
    memory = max(MEMORY, 2 * table.block)
    names = [Bet(what, way, _CELLS_OF[what], size) for what, way in _SIDES for size in ODDS]
    weight = np.array([_WEIGHTS[bet.what] / sum(one.what == bet.what for one in names) for bet in names])
    shape = usual.shape[1:]
    allowed = np.stack([np.zeros(shape[0]), season.overall[:, MISSING]], axis=1)
    nothing, enough = np.zeros(shape), -(-2 * memory // table.block)
    return Jumps(tuple(names), np.tile(weight, (shape[0], 1)), values, on, usual, memory, table.block, enough,
                 nothing + np.inf, nothing, nothing + 1, allowed)  # fmt: skip


def forecast(free: Jumps, table: Table) -> Jumps:
    """The same bets with the errors that forecasts have on the past.

    Twice along it: the level, which one check moves by the usual error, needs to know that error.
    """
    first = replace(free, error=_spread(*free.errors(table)[:2]))
    told, missed, _ = first.errors(table)
    error = _spread(told, missed)
    lasting = _lasting(told, missed, _past_of(table)[1], int(free.memory) // 2)
    enough = (told > 0).sum(axis=0) >= LEAST
    return replace(first, error=error, foreseen=np.where(enough, lasting * error + np.array(_MARGINS), 1.0))


def can_follow(table: Table) -> bool:
    """Whether a past is long enough to tell by how much forecasts miss."""
    past, _ = _past_of(table)
    return len(past) >= LEAST + -(-2 * max(MEMORY, 2 * table.block) // table.block)


def _functionals(table: Table) -> tuple[Floats, Floats]:
    """Values, and where they count, [stream, functional, cell]."""
    values, on = (np.zeros((len(table.keys), len(FUNCTIONALS), CELLS)) for _ in range(2))
    values[:, 1, MISSING] = on[:, 1] = 1.0
    kinds = table.kinds or ("number",) * len(table.keys)
    for stream, kind in enumerate(kinds):
        places = list(_NUMBERS if kind == "number" else _WORDS)
        share = normal(table.counts[stream, places].astype(np.float64))
        values[stream, 0, places] = np.cumsum(share) - share / 2
        on[stream, 0, places] = 1.0
    return values, on


def _spread(rows: Floats, missed: Floats) -> Floats:
    """The usual error of a forecast of a mean, checks of more rows counting more."""
    squares = (missed**2 / np.maximum(rows, 1e-12)).sum(axis=0)
    return np.asarray(np.sqrt(squares / np.maximum(rows.sum(axis=0), 1e-12)), np.float64)


def _lasting(rows: Floats, missed: Floats, starts: Ints, lag: int) -> Floats:
    """The correlation of an error with the one so long before, where it is above 0."""
    off = missed / np.maximum(rows, 1e-12)
    before = np.searchsorted(starts, starts - lag)
    there = starts[before] == starts - lag
    now, then = np.flatnonzero(there), before[there]
    both = (rows[now] > 0) & (rows[then] > 0)
    products = np.where(both, off[now] * off[then], 0.0).sum(axis=0)
    squares = np.where(both, (off[now] ** 2 + off[then] ** 2) / 2, 0.0).sum(axis=0)
    return np.asarray(np.clip(products / np.maximum(squares, 1e-300), 0.0, 1.0), np.float64)


def _past_of(table: Table) -> tuple[Ints, Ints]:
    if table.past is None or table.starts is None:
        return table.counts[None][:0], np.zeros(0, np.int64)
    return table.past, table.starts
