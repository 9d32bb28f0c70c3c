"""What harm is: money a day, with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Harm:
    """What something costs a day, in the contract's currency, with its interval."""

    per_day: float
    low: float
    high: float
    stake: float | None = None
    """What the model is worth a day while all is well."""
