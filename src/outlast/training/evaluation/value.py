"""What decisions are worth in the contract's money, against its baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import check_payoff, outcomes
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

    @property
    def payoff(self) -> Mapping[str, Mapping[str, float | str]]:
        return self.contract.value.payoff or {}

    def amount(self, said: float | str) -> float | Floats:
        """A payoff for every row: a number, or the numbers of a column (nothing where it is null or NaN)."""
        return column(self.rows, said) if isinstance(said, str) else said

    def part(self, chosen: npt.NDArray[Any]) -> "Scored":
        """The same of some of the rows, by mask."""
        rows = self.rows.filter(pl.Series(chosen))
        return Scored(self.contract, self.task, self.classes, rows, self.table[chosen], self.y[chosen])


def value_of(scored: Scored, seed: int) -> dict[str, Any] | None:
    """Money per decision above the baseline, with its interval; None where the contract names no money."""
    pair = worths(scored)
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
        "against": _against(scored),
        "currency": scored.contract.value.currency,
        "decisions": len(gain),
    }


def _against(scored: Scored) -> str:
    """The baseline in words; of three decisions or more, which of them it takes."""
    rule, names = scored.contract.value.baseline, list(scored.payoff)
    if scored.task == "regression":
        return "always the median"
    takes = {"nobody acts": names[-1], "everybody acts": names[0]}.get(rule)
    return rule if takes is None or len(names) < 3 else f"{rule}: always {takes}"


def own_worth(scored: Scored, payoffs: Scored | None = None) -> Floats | None:
    """What the model's own decisions turned out to be worth, row by row; by the payoffs of another, where one is given.

    None where no money is named, or where it decides what the other's payoffs do not know.
    """
    by = payoffs or scored
    if by.task == "regression":
        return None if by.contract.value.per_unit_error is None else _error_worth(by, scored.table[:, 0])
    if not by.payoff or not set(scored.payoff) <= set(by.payoff) or not scored.payoff:
        return None
    known = list(by.payoff)
    places = np.array([known.index(name) for name in scored.payoff])
    return decision_worth(by, places[decided(scored)])


def worths(scored: Scored) -> tuple[Floats, Floats] | None:
    """What each row's decision turned out to be worth, and what the baseline's did; None without money."""
    if scored.task == "regression":
        if scored.contract.value.per_unit_error is None:
            return None
        middle = np.full(len(scored.y), np.median(scored.y))
        return _error_worth(scored, scored.table[:, 0]), _error_worth(scored, middle)
    if not scored.payoff:
        return None
    return decision_worth(scored, decided(scored)), decision_worth(scored, baseline(scored))


def decide_all(scored: Scored) -> list[str]:
    """The decision for every scored row, as serving decides."""
    names = list(scored.payoff) or scored.outcomes
    return [names[place] for place in decided(scored).tolist()]


def decided(scored: Scored) -> npt.NDArray[np.int64]:
    """The place of every row's decision among the payoffs, or of its likeliest outcome: the first of equal ones."""
    if not scored.payoff:
        return np.asarray(scored.table.argmax(axis=1), dtype=np.int64)
    return np.asarray(expected(scored).argmax(axis=0), dtype=np.int64)


def expected(scored: Scored) -> Floats:
    """What each decision (a row of the table) is expected to be worth for each scored row (a column)."""
    check_payoff(scored.payoff, scored.outcomes)
    place = {name: at for at, name in enumerate(scored.outcomes)}
    found = np.zeros((len(scored.payoff), len(scored.table)))
    for worth, amounts in zip(found, scored.payoff.values(), strict=True):
        for outcome, said in amounts.items():  # in the order in which serving adds them up
            worth += scored.table[:, place[outcome]] * scored.amount(said)
    return found


def realised(scored: Scored) -> Floats:
    """What each decision (a row of the table) would have been worth for each row (a column), given what happened."""
    check_payoff(scored.payoff, scored.outcomes)
    found = np.zeros((len(scored.payoff), len(scored.y)))
    for worth, amounts in zip(found, scored.payoff.values(), strict=True):
        for code, outcome in enumerate(scored.outcomes):
            happened = scored.y == code
            said = scored.amount(amounts[outcome])
            worth[happened] = said if isinstance(said, float | int) else said[happened]
    return found


def decision_worth(scored: Scored, decisions: npt.NDArray[np.int64]) -> Floats:
    """What each decision turned out to be worth, given what happened."""
    return np.asarray(realised(scored)[decisions, np.arange(len(decisions))], dtype=np.float64)


def baseline(scored: Scored) -> npt.NDArray[np.int64]:
    """What people did without a model: nobody acts, everybody acts, one decision, or a condition over columns."""
    names, rule = list(scored.payoff), scored.contract.value.baseline
    always = {"nobody acts": len(names) - 1, "everybody acts": 0, **{name: at for at, name in enumerate(names)}}
    if rule in always:
        return np.full(scored.rows.height, always[rule])
    return np.where(_acts(scored.rows, rule), 0, len(names) - 1)


def _acts(rows: pl.DataFrame, rule: str) -> npt.NDArray[np.bool_]:
    """Where a rule says to act; where it cannot tell, it does not."""
    try:
        found = rows.select(pl.sql_expr(rule).alias("act"))["act"]
        if found.dtype != pl.Boolean:
            raise pl.exceptions.InvalidOperationError(f"it gives {found.dtype}, not yes or no")
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"outlast.toml: 'value.baseline' is '{rule}', which cannot be read as a rule ({_first(error)}). "
            'Example: baseline = "nobody acts", or a condition over columns such as "wind_speed > 25"'
        ) from None
    return np.broadcast_to(found.fill_null(False).to_numpy(), rows.height)


def column(rows: pl.DataFrame, name: str) -> Floats:
    """The numbers that a payoff reads from a column."""
    if name not in rows.columns:
        raise ContractError(
            f"outlast.toml: a payoff reads the column '{name}', which is neither an ask nor a feature: "
            f"expected one of {', '.join(n for n in rows.columns if not n.startswith('__'))}"
        )
    found = rows[name]
    if not (found.dtype.is_numeric() or found.dtype in (pl.Boolean, pl.Null)):
        held = next((value for value in found if value is not None), None)
        raise ContractError(
            f"outlast.toml: a payoff reads the column '{name}', which holds {str(held)[:40]!r}: expected numbers"
        )
    return found.cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()


def require_money(contract: Contract, rows: pl.DataFrame, task: Task, classes: Sequence[str]) -> None:
    """Refuse payoffs and a baseline that these rows cannot answer, before hours of fitting."""
    value = contract.value
    if task == "regression":
        if isinstance(value.per_unit_error, str):
            column(rows, value.per_unit_error)
        return
    if value.payoff:
        few = rows.head(1)
        scored = Scored(contract, task, list(classes), few, np.zeros((few.height, len(classes))), np.zeros(few.height))
        check_payoff(value.payoff, scored.outcomes)
        for said in {said for amounts in value.payoff.values() for said in amounts.values() if isinstance(said, str)}:
            column(rows, said)
        baseline(scored)


def _error_worth(scored: Scored, predicted: Floats) -> Floats:
    unit = scored.contract.value.per_unit_error
    assert unit is not None
    return np.asarray(np.abs(predicted - scored.y) * scored.amount(unit), dtype=np.float64)


def _first(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
