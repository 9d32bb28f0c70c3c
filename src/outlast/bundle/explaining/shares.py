"""Exact Shapley values of a compiled model: its features are the players, and rows of training stand for their absence.

What some features are worth is the mean of the model's sum over the reference rows, with these features taken from
the row that is asked about. A leaf is reached by such a mixture if each feature of its path leads there with the value
it has. So of a leaf, a row and a reference row only two sets matter: the features that lead there with the row's value
alone, and those with the reference's alone. The columns that one feature was encoded to always change together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import factorial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from outlast.bundle.explaining.trees import AT_MOST, Bools, Ensemble, Floats, Ints
from outlast.bundle.plan import Forest, Plan, Weights
from outlast.errors import Unexplained

WIDEST = 64
"""Features on one path: as many as a mask has bits."""
LEAVES = 1_000_000
PAIRS = 4_000_000
"""Leaves times reference rows: of larger models fewer rows are taken, but never fewer than FEWEST."""
FEWEST = 10
Masks = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Shares:
    """For each of a model's sums: what it is at the reference on average, and what each player adds to that."""

    base: Floats
    by: Floats
    """A line for each sum, a column for each player."""

    @property
    def sums(self) -> Floats:
        """What the model itself gives."""
        return np.asarray(self.base + self.by.sum(axis=1))


class Sharing(Protocol):
    """A model ready to be explained; `rows` says against how many of the reference rows."""

    rows: int

    def of(self, line: Sequence[float]) -> Shares:
        """What the players add for a row of the model's matrix."""


def sharing(plan: Plan, trees: Ensemble | None, players: Ints, reference: Floats) -> Sharing:
    """A compiled model against reference rows; `players` are the numbers of the features that its columns are of."""
    if isinstance(plan.model, Weights):
        return _Linear(plan.model, players, reference)
    assert trees is not None
    return _Trees(plan.model, trees, players, reference)


class _Linear:
    """A weighted sum: each column adds its weight times its distance from the reference's mean."""

    def __init__(self, model: Weights, players: Ints, reference: Floats) -> None:
        self.rows = len(reference)
        self._weights, self._mean = np.array(model.weights), reference.mean(axis=0)
        self._base = self._weights @ self._mean + np.array(model.intercepts)
        self._players, self._count = players, int(players.max(initial=-1)) + 1

    def of(self, line: Sequence[float]) -> Shares:
        moved = self._weights * (np.array(line) - self._mean)
        by = [np.bincount(self._players, one, self._count) for one in moved]
        return Shares(self._base, np.array(by))


class _Trees:
    """Trees as leaves, each with the features of its path and which of them lead there."""

    def __init__(self, model: Forest, trees: Ensemble, players: Ints, reference: Floats) -> None:
        leaves = len(trees.value)
        if leaves > LEAVES:
            raise Unexplained(f"its trees have {leaves:,} leaves, more than {LEAVES:,}: grow fewer or smaller ones")
        self.rows = min(len(reference), max(FEWEST, PAIRS // leaves))
        self._single, self._outputs, self._trees = model.single, model.outputs, trees
        self._count = int(players.max(initial=-1)) + 1
        self._paths = _Paths(trees, players)
        self._reference(self._matrix(reference[: self.rows]))

    def of(self, line: Sequence[float]) -> Shares:
        mine = self._paths.masks(self._matrix(np.array([line]))[0])[self._leaf]
        whole = (mine | self._mask) == self._paths.full[self._leaf]
        leaf, mine, theirs = self._leaf[whole], mine[whole], self._mask[whole]
        only_mine, only_theirs = mine & ~theirs, theirs & ~mine
        ours, others = np.bitwise_count(only_mine), np.bitwise_count(only_theirs)
        gains, losses = _weights()
        count = self._times[whole] / self.rows
        plus, minus = count * gains[ours, others], count * losses[ours, others]
        paths, by = self._paths, np.zeros((self._outputs, self._count))
        for place, (slots, players) in enumerate(paths.slots):
            bit = np.uint64(place)
            added = plus * ((only_mine >> bit) & _ONE) - minus * ((only_theirs >> bit) & _ONE)
            worth = np.bincount(leaf, added, len(paths.full))[slots] * self._trees.value[slots]
            np.add.at(by, (self._trees.output[slots], players), worth)
        return Shares(self._base, by)

    def _matrix(self, lines: Floats) -> Floats:
        """As the trees read it."""
        return lines.astype(np.float32).astype(np.float64) if self._single else lines

    def _reference(self, lines: Floats) -> None:
        """The different ways in which reference rows lead to each leaf, and how many rows go each way."""
        masks = np.array([self._paths.masks(line) for line in lines])
        leaves = masks.shape[1]
        order = np.sort(masks, axis=0).T.ravel()
        leaf = np.repeat(np.arange(leaves), len(lines))
        first = np.ones(len(order), dtype=bool)
        first[1:] = (order[1:] != order[:-1]) | (leaf[1:] != leaf[:-1])
        starts = np.flatnonzero(first)
        self._leaf, self._mask = leaf[starts], order[starts]
        self._times = np.diff(np.append(starts, len(order)))
        there = self._mask == self._paths.full[self._leaf]
        at, worth = self._leaf[there], self._trees.value[self._leaf[there]] * self._times[there]
        self._base = np.bincount(self._trees.output[at], worth, self._outputs) / len(lines)


class _Paths:
    """The conditions on the way to each leaf, those on one feature together in one bit of a mask."""

    def __init__(self, trees: Ensemble, players: Ints) -> None:
        self._trees, leaves = trees, len(trees.value)
        leaf, node, holds = _conditions(trees)
        player = players[trees.feature[node]]
        order = np.lexsort((player, leaf))
        leaf, player, self._node, self._holds = leaf[order], player[order], node[order], holds[order]
        new = np.ones(len(leaf), dtype=bool)
        new[1:] = (leaf[1:] != leaf[:-1]) | (player[1:] != player[:-1])
        self._starts = np.flatnonzero(new)
        leaf, player = leaf[self._starts], player[self._starts]
        self._reached, firsts, counts = np.unique(leaf, return_index=True, return_counts=True)
        place = np.arange(len(leaf)) - np.repeat(firsts, counts)
        self._firsts = firsts
        if counts.max(initial=0) > WIDEST:
            raise Unexplained(
                f"a path of its trees asks {counts.max()} features, more than {WIDEST}: let them grow less"
            )
        self._bits = _ONE << place.astype(np.uint64)
        self.full = np.zeros(leaves, dtype=np.uint64)
        np.bitwise_or.at(self.full, leaf, self._bits)
        self._slots = [np.flatnonzero(place == number) for number in range(int(counts.max(initial=0)))]
        self._slot_leaf, self._slot_player = leaf, player

    @cached_property
    def slots(self) -> list[tuple[Ints, Ints]]:
        """For each bit of a mask, the leaves that use it, and the features it stands for there."""
        return [(self._slot_leaf[chosen], self._slot_player[chosen]) for chosen in self._slots]

    def masks(self, line: Floats) -> Masks:
        """For each leaf, which features lead there with the values of a row."""
        found = np.zeros(len(self.full), dtype=np.uint64)
        if len(self._starts):
            holds = _ways(self._trees, line)[self._node] == self._holds
            leads = np.logical_and.reduceat(holds, self._starts)
            found[self._reached] = np.bitwise_or.reduceat(np.where(leads, self._bits, _NONE), self._firsts)
        return found


def _conditions(trees: Ensemble) -> tuple[Ints, Ints, Bools]:
    """Every split above every leaf, and whether its rule has to hold."""
    splits, leaves = len(trees.feature), len(trees.value)
    above, holds = np.full(splits, -1), np.zeros(splits, dtype=bool)
    node, side = np.full(leaves, -1), np.zeros(leaves, dtype=bool)
    alone = (trees.ends[0] == trees.ends[1]) & (trees.leaf[0] == trees.leaf[1])  # a tree that is one leaf
    for end, leaf, rule in zip(trees.ends, trees.leaf, (True, False), strict=True):
        inner, outer = np.flatnonzero(~leaf & ~alone), np.flatnonzero(leaf & ~alone)
        above[end[inner]], holds[end[inner]] = inner, rule
        node[end[outer]], side[end[outer]] = outer, rule
    found = []
    place = np.arange(leaves)
    while True:
        under = node >= 0
        place, node, side = place[under], node[under], side[under]
        if not len(place):
            break
        found.append((place, node, side))
        node, side = above[node], holds[node]
    parts = list(zip(*found, strict=True)) or [(np.zeros(0, dtype=np.int64),)] * 3
    whole = [np.concatenate(part) for part in parts]
    return whole[0], whole[1], whole[2].astype(bool)


def _ways(trees: Ensemble, line: Floats) -> Bools:
    """For each split, whether a row goes where the rule holds."""
    values = line[trees.feature]
    found = np.where(trees.rule == AT_MOST, values <= trees.threshold, values < trees.threshold)
    for node, members in trees.members.items():
        found[node] = bool((members == values[node]).any())
    return np.where(np.isnan(values), trees.missing, found)


@lru_cache(maxsize=1)
def _weights() -> tuple[Floats, Floats]:
    """What a feature gains of a leaf that needs some features in and some out: one of the first, and of the others."""
    size = WIDEST + 1
    gains, losses = np.zeros((size, size)), np.zeros((size, size))
    for ours in range(size):
        for others in range(size - ours):
            whole = factorial(ours + others)
            gains[ours, others] = factorial(ours - 1) * factorial(others) / whole if ours else 0.0
            losses[ours, others] = factorial(ours) * factorial(others - 1) / whole if others else 0.0
    return gains, losses


_NONE, _ONE = np.uint64(0), np.uint64(1)
