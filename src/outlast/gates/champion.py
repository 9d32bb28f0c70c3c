"""The candidate against the champion, on the same rows: better, no worse than a margin, or neither."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from outlast.errors import Refused
from outlast.gates.case import Case
from outlast.gates.pair import Pair
from outlast.gates.verdict import Check
from outlast.project.contract import GateSection
from outlast.training.evaluation.metrics import metrics_of
from outlast.training.evaluation.paired import Difference, difference, gain_in, mean_gain
from outlast.types import SMALLER_IS_BETTER, counted

Found = Literal["better", "no worse", "worse", "not shown to be no worse"]
ABSOLUTE = 0.005
"""Of metrics between 0 and 1, how much more makes a difference in practice; twice as much less is put up with."""
PART = 0.01
"""The same for losses and errors, as a share of the champion's."""
MONEY = 0.1
"""Of what the champion earns above the baseline, the share that makes a difference either way."""


@dataclass(frozen=True)
class Measured:
    """One figure of two versions: how far apart they are, and what that is called within its margins."""

    name: str
    apart: Difference
    margin: float
    superior: float

    @property
    def found(self) -> Found:
        if self.apart.low > self.superior:
            return "better"
        if self.apart.low >= -self.margin:
            return "no worse"
        return "worse" if self.apart.high < 0 else "not shown to be no worse"

    @property
    def held(self) -> bool:
        return self.found in ("better", "no worse")

    def says(self, number: int) -> str:
        apart = self.apart
        edge = f"beyond {self.superior:.3g}" if self.found == "better" else f"margin {self.margin:.3g}"
        interval = f"{apart.low:+.4g} to {apart.high:+.4g}"
        return f"{self.name} {self.found} than version {number}, {apart.value:+.4g} ({interval}; {edge})"

    def plain(self) -> dict[str, Any]:
        return {"found": self.found, "margin": self.margin, "superior_by": self.superior, **self.apart.plain()}


def no_worse(case: Case) -> Check:
    """Whether the candidate is better than the champion, or no worse than the contract's margin with confidence."""
    if case.champion is None:
        return Check("champion", True, "no version is live, so there is none to be worse than")
    number, pair = case.champion.number, case.pair
    if pair is None:
        return Check("champion", True, f"it has the bytes of the live version {number}")
    found = measured(pair, case.contract.gate, case.metric, seed=case.candidate.number)
    rows, blocks = counted(len(pair.y), "row"), counted(pair.blocks.count, pair.blocks.unit)
    where = "" if pair.blocks.unit == "row" else f" of {blocks}"
    says = f"{'; '.join(one.says(number) for one in found)}, on the same {rows}{where}"
    passed = stands(found)
    if not passed:
        says += "; more test rows narrow the interval, [gate] margin and value_margin say what may be lost"
    elif not found[0].held:
        says += f"; it surely earns more, so a doubt about {case.metric} does not stop it"
    evidence = {"against": number, "digest": case.champion.digest, "left_out": pair.left, "unit": pair.blocks.unit}
    figures = {one.name: one.plain() for one in found}
    return Check("champion", passed, says, {**evidence, "rows": len(pair.y), **figures})


def stands(found: Sequence[Measured]) -> bool:
    """Whether a version may take the champion's place: by the metric, which comes first, and by money.

    Money is the aim: to what surely earns more, a metric that is in doubt is no obstacle. One that is surely worse is.
    """
    metric, *money = found
    earns = any(one.apart.low > 0 for one in money)
    return all(one.held for one in money) and (metric.held or (earns and metric.found != "worse"))


def measured(pair: Pair, gate: GateSection, metric: str, *, seed: int) -> list[Measured]:
    """The metric, and money where both decide by payoffs."""
    known = metrics_of(pair.task, pair.y, pair.theirs.table)
    if metric not in known:
        raise Refused(f"'{metric}' is not a metric of this task: expected {', '.join(known)}")
    gain = gain_in(metric, pair.task, pair.y, pair.ours.table, pair.theirs.table)
    apart = difference(gain, pair.blocks, seed)
    if apart is None:
        raise Refused(f"'{metric}' has no interval on the {counted(len(pair.y), 'test row')} that both can be asked")
    usual = practical(metric, known[metric](np.ones(len(pair.y))))
    margin = 2 * usual if gate.margin is None else gate.margin
    superior = usual if gate.superior_by is None else gate.superior_by
    return [Measured(metric, apart, margin, superior), *_money(pair, gate, seed)]


def practical(metric: str, champion: float | None) -> float:
    """What makes no difference in practice, where the contract does not say."""
    return PART * abs(champion or 0.0) if metric in SMALLER_IS_BETTER else ABSOLUTE


def _money(pair: Pair, gate: GateSection, seed: int) -> list[Measured]:
    if pair.money is None:
        return []
    apart = difference(mean_gain(*pair.money), pair.blocks, seed)
    if apart is None:
        return []
    earned = (pair.against.summary.get("value") or {}).get("per_decision", 0.0)
    margin = MONEY * abs(earned) if gate.value_margin is None else gate.value_margin
    return [Measured(f"{pair.ours.contract.value.currency} a decision", apart, margin, margin)]
