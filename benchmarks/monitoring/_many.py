"""Many histories of one bank at once, in the arithmetic of the bank's rehearsal: e and not log e.

A test holds the two to the same alarms; years of a hundred features are minutes this way and hours the other.
"""

import math
from collections.abc import Mapping

import numpy as np

from outlast.monitoring.detecting.bank import Bank, Family
from outlast.monitoring.detecting.course import Jumps
from outlast.monitoring.detecting.tables import slot_of

CEILING = 50.0


class Many:
    """`count` copies of a bank, each with its own counts."""

    def __init__(self, bank: Bank, count: int, *, dtype=np.float32) -> None:
        self.bank, self.count = bank, count
        self.threshold = math.exp(bank.log_threshold)
        self.used = [np.flatnonzero((one.bets.weight * one.prior[:, None]).ravel() > 0) for one in bank.families]
        weights = [(one.bets.weight * one.prior[:, None]).ravel() for one in bank.families]
        parts = [mine[used] for mine, used in zip(weights, self.used, strict=True)]
        self.weight = np.concatenate(parts).astype(dtype)
        first, owners, self.names = 0, [], []
        for one, used in zip(bank.families, self.used, strict=True):
            owners.append(first + used // len(one.bets.names))
            first += len(one.keys)
            self.names += [f"{one.name}: {key}" for key in one.keys]
        self.owner = np.concatenate(owners)
        self.r = np.zeros((count, len(self.weight)), dtype)
        self.dtype = dtype
        self.peak = np.zeros(count)
        self._cache: dict[str, np.ndarray] = {}
        self._courses = {one.name: [one.bets.begin()] * count for one in bank.families if isinstance(one.bets, Jumps)}

    def step(self, counts: Mapping[str, np.ndarray], at: int, *, resets: bool = True) -> list[tuple[int, list[str]]]:
        """One check of each copy, [copy, stream, cell] by table: who alarms, the most evidence first."""
        e = [self._e(one, counts, at)[:, used] for one, used in zip(self.bank.families, self.used, strict=True)]
        self.r += 1
        self.r *= np.concatenate(e, axis=1)
        totals = self.r @ self.weight
        np.maximum(self.peak, totals, out=self.peak)
        found = []
        for copy in np.flatnonzero(totals >= self.threshold):
            holders = self._holders(self.r[copy] * self.weight)
            found.append((int(copy), [self.names[place] for place in holders]))
            if resets:
                self.r[copy, np.isin(self.owner, holders)] = 0
        return found

    def _e(self, one: Family, counts: Mapping[str, np.ndarray], at: int) -> np.ndarray:
        if one.source not in counts:
            return np.ones((self.count, len(one.keys) * len(one.bets.names)), self.dtype)
        if isinstance(one.bets, Jumps):
            return self._jumped(one, one.folded(counts[one.source]), at)
        given = one.folded(counts[one.source]).transpose(1, 0, 2)
        log_e = np.matmul(given, self._weights(one, at)) / one.effects[:, None, None]
        log_e = log_e.transpose(1, 0, 2).reshape(self.count, -1).astype(self.dtype)
        return np.exp(np.minimum(log_e, self.dtype(CEILING)))

    def _jumped(self, one: Family, given: np.ndarray, at: int) -> np.ndarray:
        """Each copy along a course of its own."""
        courses = self._courses[one.name]
        stepped = [one.bets.step(course, mine, at) for course, mine in zip(courses, given, strict=True)]
        self._courses[one.name] = [course for _, course in stepped]
        log_e = np.stack([found for found, _ in stepped]) / one.effects[:, None]
        return np.exp(np.minimum(log_e.reshape(self.count, -1).astype(self.dtype), self.dtype(CEILING)))

    def _weights(self, one: Family, at: int) -> np.ndarray:
        if one.season.by_slot is not None:
            return one.weights(int(slot_of(at)))
        if one.name not in self._cache:
            self._cache[one.name] = one.weights(0)
        return self._cache[one.name]

    def _holders(self, mine: np.ndarray) -> np.ndarray:
        sums = np.bincount(self.owner, weights=mine, minlength=len(self.names))
        order = np.argsort(-sums, kind="stable")
        left = np.cumsum(sums[order][::-1])[::-1]
        return order[left >= self.threshold / 100]
