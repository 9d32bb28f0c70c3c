"""What decisions are worth in the contract's money, against its baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import decider, outcomes, worth_of
from outlast.errors import ContractError
from outlast.project.contract import Contract
from outlast.training.evaluation.metrics import with_interval
from outlast.types import Task

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows with a model's scores and what happened."""

    contract: Contract
    task: Task
    classes: list[str]
    rows: pl.DataFrame
    table: Floats
    y: npt.NDArray[Any]

    @property
    def outcomes(self) -> list[str]:
        return outcomes(self.task, self.classes)

    def payoff_rows(self) -> Sequence[dict[str, Any]]:
        """The columns that payoffs are read from, row by row."""
        payoff = self.contract.value.payoff or {}
        names = sorted({amount for row in payoff.values() for amount in row.values() if isinstance(amount, str)})
        missing = [name for name in names if name not in self.rows.columns]
        if missing:
            raise ContractError(
                f"outlast.toml: a payoff reads the column '{missing[0]}', which is neither an ask nor a feature: "
                f"expected one of {', '.join(self.rows.columns)}"
            )
        return self.rows.select(names).to_dicts() if names else [{}] * len(self.y)


def value_of(scored: Scored, seed: int) -> dict[str, Any] | None:
    """Money per decision above the baseline, with its interval; None where the contract names no money."""
    pair = _worths(scored)
    if pair is None:
        return None
    ours, against = pair
    gain = ours - against
    found = with_interval(lambda w: float((gain * w).sum() / w.sum()) if w.sum() else None, len(gain), seed)
    assert found is not None
    return {
        "per_decision": found["value"],
        "low": found["low"],
        "high": found["high"],
        "model": float(ours.mean()),
        "baseline": float(against.mean()),
        "against": "always the median" if scored.task == "regression" else scored.contract.value.baseline,
        "currency": scored.contract.value.currency,
        "decisions": len(gain),
    }


def decide_all(scored: Scored) -> list[str]:
    """The decision for every scored row."""
    decide = decider(scored.contract, scored.task, scored.classes)
    names = scored.outcomes
    return [
        decide(dict(zip(names, chances, strict=True)), row)
        for chances, row in zip(scored.table.tolist(), scored.payoff_rows(), strict=True)
    ]


def decision_worth(scored: Scored, decisions: Sequence[str]) -> Floats:
    """What each decision turned out to be worth, given what happened."""
    payoff, names = scored.contract.value.payoff or {}, scored.outcomes
    rows = zip(decisions, scored.y.tolist(), scored.payoff_rows(), strict=True)
    return np.array([worth_of(payoff[decision][names[code]], row) for decision, code, row in rows])


def _worths(scored: Scored) -> tuple[Floats, Floats] | None:
    if scored.task == "regression":
        if scored.contract.value.per_unit_error is None:
            return None
        middle = np.full(len(scored.y), np.median(scored.y))
        return _error_worth(scored, scored.table[:, 0]), _error_worth(scored, middle)
    if not scored.contract.value.payoff:
        return None
    return decision_worth(scored, decide_all(scored)), decision_worth(scored, _baseline(scored))


def _baseline(scored: Scored) -> list[str]:
    """What people did without a model: nobody acts, everybody acts, one decision, or a condition over columns."""
    names, rule = list(scored.contract.value.payoff or {}), scored.contract.value.baseline
    always = {"nobody acts": names[-1], "everybody acts": names[0], **{name: name for name in names}}
    if rule in always:
        return [always[rule]] * len(scored.y)
    try:
        found = scored.rows.select(pl.sql_expr(rule).fill_null(False).alias("act"))["act"]
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"outlast.toml: 'value.baseline' is '{rule}', which cannot be read as a rule ({error}). "
            'Example: baseline = "nobody acts", or a condition over columns such as "wind_speed > 25"'
        ) from None
    return [names[0] if act else names[-1] for act in found.to_list()]


def _error_worth(scored: Scored, predicted: Floats) -> Floats:
    unit = scored.contract.value.per_unit_error
    per: Any = scored.rows[unit].fill_null(0).to_numpy() if isinstance(unit, str) else unit
    return np.asarray(np.abs(predicted - scored.y) * per, dtype=np.float64)
