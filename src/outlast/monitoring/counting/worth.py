"""What matured decisions were worth, and how much more than the baseline's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import OUTCOMES, Payoff, worth_of
from outlast.monitoring.counting.answered import ABSENT, Answered, Bools, Floats
from outlast.monitoring.counting.counts import Ints
from outlast.types import Task

NAN = float("nan")


def needed(payoff: Payoff | None, per_unit_error: float | str | None, baseline: str) -> list[str]:
    """The columns that prices and the baseline's rule read."""
    amounts = [amount for row in (payoff or {}).values() for amount in row.values()]
    named = [amount for amount in (*amounts, per_unit_error) if isinstance(amount, str)]
    return list(dict.fromkeys([*named, *_rule_names(payoff, baseline)]))


class Worth:
    """Prices of some places of `answered`, each once; a place without a price has NaN."""

    def __init__(
        self,
        answered: Answered,
        places: Ints,
        *,
        payoff: Payoff | None,
        per_unit_error: float | str | None,
        baseline: str,
    ) -> None:
        self._payoff, self._error, self._baseline = payoff or {}, per_unit_error, baseline
        self._task: Task = answered.task
        self.decisions = [answered.decisions[place] for place in places.tolist()]
        self._columns = answered.columns(needed(payoff, per_unit_error, baseline), places)

    def earned(self, truths: npt.NDArray[Any]) -> Floats:
        """What each decision was worth, given what turned out."""
        if self._task == "regression":
            return self._missed(truths)
        return self._paid(self.decisions, truths)

    def baseline(self, truths: npt.NDArray[Any]) -> Floats:
        """What the decision without the model would have been worth."""
        names = list(self._payoff)
        if not names or self._task == "regression":
            return np.full(len(truths), NAN)
        constant = {"nobody acts": names[-1], "everybody acts": names[0], **{name: name for name in names}}
        if self._baseline in constant:
            return self._paid([constant[self._baseline]] * len(truths), truths)
        return self._paid(self._by_rule(names), truths)

    def _missed(self, truths: Floats) -> Floats:
        if self._error is None:
            return np.full(len(truths), NAN)
        predicted = np.array([_number(decision) for decision in self.decisions], np.float64)
        return self._amount(self._error, np.ones(len(truths), bool)) * np.abs(truths - predicted)

    def _paid(self, decisions: Sequence[Any], truths: npt.NDArray[Any]) -> Floats:
        found, decided = np.full(len(truths), NAN), np.array(decisions, object)
        for decision, amounts in self._payoff.items():
            for outcome, amount in amounts.items():
                happened = truths == (OUTCOMES.index(outcome) if self._task == "binary" else outcome)
                here = (decided == decision) & happened
                if here.any():
                    found[here] = self._amount(amount, here)[here]
        return found

    def _amount(self, amount: float | str, here: Bools) -> Floats:
        """A payoff, perhaps the value of a column; NaN where the prediction has no such column."""
        if not isinstance(amount, str):
            return np.full(len(here), float(amount))
        column = self._columns[amount]
        wanted = here.tolist()
        return np.array(
            [
                worth_of(amount, {amount: value}) if wants and value is not ABSENT else NAN
                for value, wants in zip(column, wanted, strict=True)
            ],
            np.float64,
        )

    def _by_rule(self, names: list[str]) -> list[str | None]:
        """What the baseline's condition decides; None where it cannot be read from the columns."""
        reads = _rule_names(self._payoff, self._baseline)
        known = [all(self._columns[name][row] is not ABSENT for name in reads) for row in range(len(self.decisions))]
        kept = {name: [v for v, k in zip(self._columns[name], known, strict=True) if k] for name in reads}
        frame = pl.DataFrame(kept, strict=False)
        acts = iter(frame.select(pl.sql_expr(self._baseline).fill_null(False).alias("act"))["act"].to_list())
        return [(names[0] if next(acts) else names[-1]) if k else None for k in known]


def _rule_names(payoff: Payoff | None, baseline: str) -> list[str]:
    names = list(payoff or {})
    if not names or baseline in ("nobody acts", "everybody acts", *names):
        return []
    return list(pl.sql_expr(baseline).meta.root_names())


def _number(decision: Any) -> float:
    try:
        return float(decision)
    except (TypeError, ValueError):
        return NAN
