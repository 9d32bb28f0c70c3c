"""From scores to decisions: the action with the greatest expected payoff, by the contract."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from outlast.errors import ContractError
from outlast.project.contract import Contract
from outlast.types import Task

Payoff = Mapping[str, Mapping[str, float | str]]
Decide = Callable[[Mapping[str, float], Mapping[str, Any]], str]
OUTCOMES = ("no", "yes")


def outcomes(task: Task, classes: list[str]) -> list[str]:
    """The words for what can happen: yes and no, or the classes."""
    return list(OUTCOMES) if task == "binary" else classes


def decider(contract: Contract, task: Task, classes: list[str]) -> Decide:
    """A function from probabilities and the row's columns to the decision.

    With calibrated probabilities, the decision is the one whose expected payoff is greatest, so nothing is tuned.
    Without payoffs it is the likelier outcome.
    """
    payoff = contract.value.payoff
    if not payoff:
        return lambda chances, _: max(chances, key=lambda outcome: chances[outcome])
    check_payoff(payoff, outcomes(task, classes))
    if not reads_columns(contract):
        return _by_numbers(payoff)

    def decide(chances: Mapping[str, float], row: Mapping[str, Any]) -> str:
        worth = {
            decision: sum(chances[outcome] * worth_of(amount, row) for outcome, amount in amounts.items())
            for decision, amounts in payoff.items()
        }
        return max(worth, key=lambda decision: worth[decision])

    return decide


def reads_columns(contract: Contract) -> bool:
    """Whether what a decision is worth stands in the row, in part."""
    return any(
        isinstance(amount, str) for amounts in (contract.value.payoff or {}).values() for amount in amounts.values()
    )


def _by_numbers(payoff: Payoff) -> Decide:
    """The same where every payoff is a number: the row is not looked at."""
    table = [(decision, list(amounts.items())) for decision, amounts in payoff.items()]

    def decide(chances: Mapping[str, float], _: Mapping[str, Any]) -> str:
        best, most = "", -math.inf
        for decision, amounts in table:
            worth = 0.0
            for outcome, amount in amounts:
                worth += chances[outcome] * amount  # type: ignore[operator]  # no amount is a name here
            if not best or worth > most:
                best, most = decision, worth
        return best

    return decide


def threshold(contract: Contract) -> float | None:
    """The probability of yes at which two decisions are worth the same: between them, the better one changes there.

    None where there is none: payoffs from columns, other than two decisions, or one that is always the better.
    """
    payoff = contract.value.payoff
    if not payoff:
        return 0.5
    amounts = [amount for row in payoff.values() for amount in row.values()]
    if len(payoff) != 2 or any(isinstance(amount, str) for amount in amounts):
        return None
    act, wait = ({k: float(v) for k, v in row.items()} for row in payoff.values())
    gain, cost = act.get("yes", 0.0) - wait.get("yes", 0.0), wait.get("no", 0.0) - act.get("no", 0.0)
    edge = cost / (gain + cost) if gain + cost else -1.0
    return edge if 0.0 <= edge <= 1.0 else None


def worth_of(amount: float | str, row: Mapping[str, Any]) -> float:
    """A payoff: a number, or what the row's column says (nothing where it is null or NaN)."""
    if not isinstance(amount, str):
        return amount
    said = row.get(amount)
    if said is None or said != said:
        return 0.0
    if not isinstance(said, int | float | Decimal):
        raise ContractError(
            f"outlast.toml: a payoff reads the column '{amount}', which holds {str(said)[:40]!r}: expected numbers"
        )
    return float(said)


def check_payoff(payoff: Payoff, possible: list[str]) -> None:
    """Refuse payoffs that leave an outcome without a worth."""
    for decision, amounts in payoff.items():
        if set(amounts) != set(possible):
            raise ContractError(
                f"outlast.toml: 'value.payoff.{decision}' names the outcomes {', '.join(sorted(amounts))}: "
                f"expected {', '.join(possible)}. Example: {decision} = {{ "
                + ", ".join(f"{_quoted(outcome)} = 0" for outcome in possible)
                + " }"
            )


def _quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
