"""A loss between 0 and 1 for every decision, in whole thousandths, on a scale frozen in training.

One scale for all losses lets one detector watch money, classes and amounts alike, and whole numbers add to the same
bits in any order.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Column = Callable[[str], Floats]
"""The numbers of a column, one per row; NaN where the row has none."""

MILLS = 1000
"""The greatest loss."""
UNKNOWN = -1
"""In place of a loss that cannot be told: a decision or an outcome that the scale does not know."""
_TAIL = 0.999


class LossScale(msgspec.Struct, frozen=True):
    """How a decision and what happened become a loss.

    `error`: whether another outcome was decided for. `payoff`: by how much the best decision would have been worth
    more, by the contract's numbers; `columns`: by amounts that stand in the row, in part. `squared`: the squared error.
    `unit`: the contract's money for each unit of error. `span` is what a loss of 1 stands for, in money but for `error`
    and `squared`; of `columns`, `squared` and `unit` it is what one reference row of 1,000 exceeds.
    """

    kind: Literal["error", "payoff", "columns", "squared", "unit"]
    outcomes: list[str] = []
    payoff: dict[str, dict[str, float | str]] = {}
    unit: float | str = 0.0
    span: float = 1.0

    @property
    def money(self) -> float | None:
        """What a loss of one thousandth costs; None where the contract names no money."""
        return self.span / MILLS if self.kind in ("payoff", "columns", "unit") else None

    @property
    def columns(self) -> list[str]:
        """The columns of a row that its loss depends on."""
        said = [amount for amounts in self.payoff.values() for amount in amounts.values()]
        return sorted({amount for amount in [*said, self.unit] if isinstance(amount, str)})

    def mills(self, decisions: Sequence[Any], outcomes: Sequence[Any], column: Column | None = None) -> Ints:
        """The loss of every row, or UNKNOWN. Decisions and outcomes are words; of a regression, numbers."""
        lost = self.lost(decisions, outcomes, column or _no_column)
        scaled = np.floor(np.clip(lost / self.span, 0.0, 1.0) * MILLS + 0.5)
        return np.where(np.isnan(lost), UNKNOWN, scaled).astype(np.int64)

    def lost(self, decisions: Sequence[Any], outcomes: Sequence[Any], column: Column) -> Floats:
        """The loss before it is scaled; NaN where it cannot be told."""
        if self.kind in ("squared", "unit"):
            missed = _numbers(outcomes) - _numbers(decisions)
            if self.kind == "squared":
                return missed**2
            amount = _filled(column(self.unit)) if isinstance(self.unit, str) else self.unit
            return np.asarray(np.maximum(-amount * np.abs(missed), 0.0), dtype=np.float64)
        happened = _codes(outcomes, self.outcomes)
        if self.kind == "error":
            decided = _codes(decisions, self.outcomes)
            return np.where((happened < 0) | (decided < 0), np.nan, (decided != happened).astype(np.float64))
        decided = _codes(decisions, list(self.payoff))
        return self._regret(decided, happened, column)

    def _regret(self, decided: Ints, happened: Ints, column: Column) -> Floats:
        found = np.full(len(decided), np.nan)
        amounts = {name: _filled(column(name)) for name in self.columns}
        for code, outcome in enumerate(self.outcomes):
            rows = np.flatnonzero((happened == code) & (decided >= 0))
            if not len(rows):
                continue
            worths = np.empty((len(self.payoff), len(rows)))
            for place, by_outcome in enumerate(self.payoff.values()):
                said = by_outcome[outcome]
                worths[place] = amounts[said][rows] if isinstance(said, str) else said
            found[rows] = worths.max(axis=0) - worths[decided[rows], np.arange(len(rows))]
        return found


def fitted(scale: LossScale, decisions: Sequence[Any], outcomes: Sequence[Any], column: Column) -> LossScale:
    """The scale with its span: the widest regret of a table of numbers, else by the reference's own losses."""
    if scale.kind == "error":
        return scale
    if scale.kind == "payoff":
        by_outcome = [[float(row[outcome]) for row in scale.payoff.values()] for outcome in scale.outcomes]
        span = max(max(worths) - min(worths) for worths in by_outcome)
    else:
        lost = scale.lost(decisions, outcomes, column)
        known = lost[np.isfinite(lost)]
        span = float(np.quantile(known, _TAIL)) if len(known) else 0.0
        span = span or float(known.max(initial=0.0))
    return msgspec.structs.replace(scale, span=span or 1.0)


def _no_column(name: str) -> Floats:
    raise KeyError(name)


def _codes(words: Sequence[Any], names: Sequence[str]) -> Ints:
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(word, -1) for word in words], dtype=np.int64)


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _filled(values: Floats) -> Floats:
    """Nothing where the row says nothing, as decisions are taken."""
    return np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
