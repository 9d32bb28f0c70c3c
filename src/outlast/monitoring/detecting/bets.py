"""Bets against "nothing has moved": what a row of each cell pays.

A bet on a bounded g with E[g] <= m multiplies its stake by 1 + l (g - m), so that its expectation is at most 1 whatever
else is true (Waudby-Smith & Ramdas 2024, betting). Its logarithm is one number per cell, so a check's evidence is a
product of counts with weights. m is the reference's value, plus its sampling error, plus a margin that is meant: what
moves less than that is no news.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from outlast.monitoring.detecting.tables import Floats, Ints

_ROOM = 0.98
"""No bet stakes more than this share of everything on one row."""


@dataclass(frozen=True)
class Bet:
    """What a bet is on: in words' raw material, `what` went `direction` (in these cells)."""

    what: str
    direction: str
    cells: tuple[int, ...] = ()
    size: float = 0.0


class Bets(Protocol):
    """The bets of one family: the same list for each stream, with weights, stakes and margins of its own."""

    @property
    def names(self) -> Sequence[Bet]: ...

    @property
    def weight(self) -> Floats:
        """[stream, bet], each row summing to 1."""

    def weights(self, shares: Floats) -> Floats:
        """[stream, cell, bet]: the logarithm of what a row of the cell pays, where these shares are expected."""

    def paying(self, shares: Floats) -> tuple[Floats, ...]:
        """What the bets pay where these shares are expected, as `evidence` takes it."""

    def evidence(self, counts: Floats, paying: tuple[Floats, ...]) -> Floats:
        """[stream, bet]: the logarithm of what the counts of one check pay."""

    def residuals(self, counts: npt.NDArray[Any], shares: Floats) -> tuple[Floats, Floats]:
        """[block, stream, functional]: by how much sums exceed the expected, and the variance of independent rows."""

    def groups(self) -> list[list[int]]:
        """Which functionals are judged together."""


@dataclass(frozen=True, eq=False)
class Means:
    """Bets on the means of functionals of the cell.

    `values` and `on` are [stream, bet, cell]; where a cell is not `on` the bet stands still: what is missing says
    nothing of where values lie. `stake` and `slack` are [stream, bet].
    """

    names: tuple[Bet, ...]
    weight: Floats
    values: Floats
    on: npt.NDArray[np.bool_]
    stake: Floats
    slack: Floats

    def limits(self, shares: Floats) -> Floats:
        """m: the largest mean of each functional that is no news."""
        mass, first = (np.matmul(side, shares[:, :, None])[:, :, 0] for side in (self._standing, self._counted))
        return np.asarray(first / np.maximum(mass, 1e-300) + self.slack, np.float64)

    def weights(self, shares: Floats) -> Floats:
        (hit, miss), graded = self._pays(self.limits(shares))
        pays = np.empty(self.values.shape)
        coins = self._coins
        pays[:, coins] = miss[:, coins, None] + self.values[:, coins] * (hit - miss)[:, coins, None]
        pays[:, ~coins] = graded
        pays *= self.on
        return np.ascontiguousarray(pays.transpose(0, 2, 1))

    def paying(self, shares: Floats) -> tuple[Floats, ...]:
        (hit, miss), graded = self._pays(self.limits(shares))
        return hit, miss, graded * self._graded[1]

    def evidence(self, counts: Floats, paying: tuple[Floats, ...]) -> Floats:
        hit, miss, graded = paying
        rows, hits = (np.matmul(side, counts[:, :, None])[:, :, 0] for side in (self._standing, self._counted))
        found = hits * hit + (rows - hits) * miss
        if len(self._graded[0][0]):
            found[:, ~self._coins] = np.matmul(graded, counts[:, :, None])[:, :, 0]
        return np.asarray(found, np.float64)

    def _pays(self, limit: Floats) -> tuple[tuple[Floats, Floats], Floats]:
        """What a coin pays for its two sides, and what the other bets pay for each cell: far fewer logarithms."""
        stake = np.minimum(self.stake, _ROOM / np.maximum(limit, 1e-12))
        coins = np.log1p(stake * (1 - limit)), np.log1p(-stake * limit)
        mine = ~self._coins
        return coins, np.log1p(stake[:, mine, None] * (self._graded[0] - limit[:, mine, None]))

    @cached_property
    def _graded(self) -> tuple[Floats, Floats]:
        return self.values[:, ~self._coins], self._standing[:, ~self._coins]

    @cached_property
    def _standing(self) -> Floats:
        return self.on.astype(np.float64)

    @cached_property
    def _counted(self) -> Floats:
        return np.asarray(self.on * self.values, np.float64)

    @cached_property
    def _coins(self) -> npt.NDArray[np.bool_]:
        """Bets whose values are 0 and 1 only."""
        return np.asarray(((self.values == 0) | (self.values == 1)).all(axis=(0, 2)), np.bool_)

    def residuals(self, counts: npt.NDArray[Any], shares: Floats) -> tuple[Floats, Floats]:
        """One functional for each different (what, cells), upwards: the other direction is its mirror."""
        picked = self._functionals()
        values, on = self.values[:, picked], self.on[:, picked]
        mass = np.maximum((on * shares[..., None, :]).sum(axis=-1), 1e-300)
        mean = (on * values * shares[..., None, :]).sum(axis=-1) / mass
        second = (on * values**2 * shares[..., None, :]).sum(axis=-1) / mass
        rows = np.einsum("hjc,jfc->hjf", counts, on.astype(np.float64))
        sums = np.einsum("hjc,jfc->hjf", counts, on * values)
        return sums - rows * mean, rows * np.maximum(0.0, second - mean**2)

    def groups(self) -> list[list[int]]:
        """Location and scale by themselves, mass in cells as one."""
        found: dict[str, list[int]] = {}
        for place, bet in enumerate(self._functionals()):
            found.setdefault(self.names[bet].what, []).append(place)
        return list(found.values())

    def _functionals(self) -> list[int]:
        return _firsts([(bet.what, bet.cells) for bet in self.names])


@dataclass(frozen=True, eq=False)
class Coins:
    """Bets on the outcomes of groups of score cells: likelihood ratios of coins, each cell with its own.

    Cells come as [no, yes] pairs, flat. `limit` is [stream, bet, pair]: the largest share of yes (of no, in bets
    downwards) that is no news; `odds` by how much a bet takes them to be multiplied; `member` which pairs it is on.
    """

    names: tuple[Bet, ...]
    weight: Floats
    rate: Floats
    """[stream, pair]: the share of yes in the reference."""
    limit: Floats
    odds: Floats
    member: npt.NDArray[np.bool_]
    up: npt.NDArray[np.bool_]

    def weights(self, shares: Floats) -> Floats:
        m = self.limit
        p = shifted(m, self.odds[:, None])
        hit, miss = (np.where(self.member, np.log(a / b), 0.0) for a, b in ((p, m), (1 - p, 1 - m)))
        yes = np.where(self.up[:, None], hit, miss)
        no = np.where(self.up[:, None], miss, hit)
        both = np.stack([no, yes], axis=-1)
        return np.ascontiguousarray(both.reshape(*m.shape[:2], -1).transpose(0, 2, 1))

    def paying(self, shares: Floats) -> tuple[Floats, ...]:
        return (self.weights(shares),)

    def evidence(self, counts: Floats, paying: tuple[Floats, ...]) -> Floats:
        return np.asarray(np.matmul(counts[:, None, :], paying[0])[:, 0, :], np.float64)

    def residuals(self, counts: npt.NDArray[Any], shares: Floats) -> tuple[Floats, Floats]:
        """One functional for each group of cells: what all cells share is larger than what one of them shows."""
        pairs = np.asarray(counts, np.float64).reshape(*counts.shape[:-1], -1, 2)
        rows = pairs.sum(axis=-1)
        rate, member = self.rate, self._members.T.astype(np.float64)
        return (pairs[..., 1] - rows * rate) @ member, (rows * rate * (1 - rate)) @ member

    def groups(self) -> list[list[int]]:
        wide = [int(np.log2(len(self.names[place].cells))) for place in _firsts([one.cells for one in self.names])]
        return [[place for place, level in enumerate(wide) if level == each] for each in sorted(set(wide))]

    @cached_property
    def _members(self) -> npt.NDArray[np.bool_]:
        """[group, pair], each group once."""
        return np.stack([self.member[place] for place in _firsts([one.cells for one in self.names])])


def _firsts(keys: Sequence[object]) -> list[int]:
    """Where each different key stands first."""
    found: dict[object, int] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, place)
    return list(found.values())


def shifted(p: Floats, odds: npt.NDArray[np.float64]) -> Floats:
    """A probability whose odds are multiplied."""
    return np.asarray(odds * p / (1 - p + odds * p), np.float64)


def normal(weights: npt.NDArray[np.float64]) -> Floats:
    """Rows that sum to 1; a row of zeros stays one."""
    return np.asarray(weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300), np.float64)


def upper(hits: npt.NDArray[Any], rows: npt.NDArray[Any], z: float) -> Floats:
    """The upper limit of a rate after so many hits (Wilson 1927): above 0 even where none was seen."""
    k, n = np.asarray(hits, np.float64), np.maximum(1e-9, np.asarray(rows, np.float64))
    p = np.clip(k / n, 0.0, 1.0)
    middle = p + z * z / (2 * n)
    reach = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return np.asarray((middle + reach) / (1 + z * z / n), np.float64)


def whole(counts: Ints) -> Floats:
    """Shares of the cells of each stream."""
    return normal(np.asarray(counts, np.float64))
