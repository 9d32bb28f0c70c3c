"""Parts of the rows, one by one: a part made worse than under the champion stops a better mean.

Many slices give a bad one by luck, so their p-values are adjusted by Holm's method over all that were judged, in the
metric and in money. What is asked of each is whether it is surely worse by more than its margin.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.errors import Refused, nearest
from outlast.gates.case import Case
from outlast.gates.champion import MONEY, practical
from outlast.gates.pair import Pair
from outlast.gates.verdict import Check
from outlast.training.evaluation.cuts import crossed, cut
from outlast.training.evaluation.metrics import metrics_of
from outlast.training.evaluation.paired import Difference, difference, gain_in, holm, mean_gain
from outlast.types import counted

Bools = npt.NDArray[np.bool_]
_LEVEL = 0.05
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Slice:
    """Some of the rows, and how people say which."""

    columns: tuple[str, ...]
    says: str
    rows: Bools


@dataclass
class Told:
    """What one figure says of one slice."""

    slice: Slice
    figure: str
    apart: Difference
    margin: float
    chance: float = 1.0

    @property
    def worse(self) -> bool:
        return self.chance < _LEVEL

    @property
    def says(self) -> str:
        one = self.apart
        return f"{self.slice.says}: {self.figure} {one.value:+.4g} ({one.low:+.4g} to {one.high:+.4g}) on {one.rows:,}"

    def plain(self) -> dict[str, Any]:
        named = {"says": self.slice.says, "columns": list(self.slice.columns), "figure": self.figure}
        return {**named, "margin": self.margin, "chance": self.chance, "worse": self.worse, **self.apart.plain()}


def no_slice_worse(case: Case) -> Check:
    """Whether no slice was made worse than it is under the champion."""
    gate = case.contract.gate
    pair = case.pair
    if pair is None:
        against = "no version is live" if case.champion is None else f"it is the live version {case.champion.number}"
        return Check("slices", True, f"{against}, so none can be worse", {"slices": []})
    parts = list(slices_of(pair.ours.rows, gate.slices, found_of(case.candidate.summary)))
    if not parts:
        return Check("slices", True, "the contract names none in [gate] slices, and none was found", {"slices": []})
    judged, few = told(pair, case, parts)
    worse = [one for one in judged if one.worse]
    number, left = pair.against.number, f"; {counted(few, 'slice')} with fewer than {gate.slice_rows} rows only told"
    evidence = {"slices": [one.plain() for one in judged], "few": few, "level": _LEVEL, "against": number}
    if worse:
        says = "; ".join(one.says for one in sorted(worse, key=lambda one: one.chance)[:_SHOWN])
        return Check("slices", False, f"worse than under version {number} in {says}", evidence)
    names = counted(len({one.slice.says for one in judged}), "slice")
    says = f"none of {names} is surely worse than under version {number}{left if few else ''}"
    return Check("slices", True, says, evidence)


def told(pair: Pair, case: Case, parts: list[Slice]) -> tuple[list[Told], int]:
    """Every slice that has enough rows, with chances adjusted for how many there are; and how many have too few."""
    gate, found, few = case.contract.gate, [], 0
    known = metrics_of(pair.task, pair.y, pair.theirs.table)
    margin = gate.slice_margin if gate.slice_margin is not None else gate.margin
    margin = 2 * practical(case.metric, known[case.metric](np.ones(len(pair.y)))) if margin is None else margin
    for part in parts:
        measured = [] if part.rows.sum() < gate.slice_rows else list(_figures(pair, case, part, margin))
        few += not measured
        found += measured
    for one, chance in zip(found, holm([one.apart.chance_below(-one.margin) for one in found]), strict=True):
        one.chance = chance
    return found, few


def found_of(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The slices that the evaluation found by searching; versions of the first releases have none."""
    slices = ((summary.get("evaluation") or {}).get("slices") or {}).get("slices") or []
    return [one for one in slices if one.get("found")]


def slices_of(rows: pl.DataFrame, declared: Sequence[str], found: Iterable[Mapping[str, Any]]) -> Iterator[Slice]:
    """Every part of the declared columns, and those that the evaluation found to be the worst, by their names."""
    named: set[str] = set()
    for columns in (*((name,) for name in declared), *(tuple(one["columns"]) for one in found)):
        for part in _parts(rows, columns):
            wanted = (len(columns) == 1 and columns[0] in declared) or any(part.says == one["says"] for one in found)
            if wanted and part.says not in named:
                named.add(part.says)
                yield part


def _parts(rows: pl.DataFrame, columns: tuple[str, ...]) -> Iterator[Slice]:
    for name in columns:
        if name not in rows.columns:
            known = [one for one in rows.columns if not one.startswith("__")]
            raise Refused(f"outlast.toml: 'gate.slices' names '{name}', no ask or feature: {nearest(name, known)}")
    parts = reduce(crossed, [cut(rows[name]) for name in columns])
    for code, says in enumerate(parts.says):
        yield Slice(columns, says, parts.codes == code)


def _figures(pair: Pair, case: Case, part: Slice, margin: float) -> Iterator[Told]:
    seed, rows, blocks = case.candidate.number, part.rows, pair.blocks.where(part.rows)
    gain = gain_in(case.metric, pair.task, pair.y[rows], pair.ours.table[rows], pair.theirs.table[rows])
    apart = difference(gain, blocks, seed)
    if apart is not None:
        yield Told(part, case.metric, apart, margin)
    if pair.money is not None:
        ours, theirs = pair.money
        apart = difference(mean_gain(ours[rows], theirs[rows]), blocks, seed)
        earned = (pair.against.summary.get("value") or {}).get("per_decision", 0.0)
        limit = MONEY * abs(earned) if case.contract.gate.value_margin is None else case.contract.gate.value_margin
        if apart is not None:
            yield Told(part, f"{pair.ours.contract.value.currency} a decision", apart, limit)
