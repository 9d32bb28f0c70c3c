"""What is said of a challenger beside what is live: plain records, which load nothing of what reads them out."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Mean:
    """A mean, its interval, the rows behind it, and for how many of them one counts."""

    value: float
    low: float
    high: float
    rows: int
    effect: float

    def plain(self) -> dict[str, Any]:
        """As it is stored."""
        return {name: float(value) for name, value in vars(self).items()} | {"rows": self.rows}


@dataclass(frozen=True)
class Side:
    """What is known of one version's answers: how many, how many matured and priced, their mean worth."""

    answers: int
    priced: int
    mean: float | None
    lower: int
    """Answers that a lower rung than the model gave."""


@dataclass(frozen=True)
class Readout:
    """Both sides, and how much more a decision of the challenger's is worth: None while nothing has matured."""

    model: str
    live: int
    challenger: int
    stage: str
    since: datetime
    unit: str
    ours: Side
    theirs: Side
    pairs: int
    agreement: float | None
    """The share of the pairs decided alike; None of numbers, which never are."""
    matured: int
    labelled: int
    gain: Mean | None
    estimated: float | None
    """The same before labels are here, over all pairs, by the mean of both versions' chances."""
    failing: Mean | None
    """How much more often it is not the challenger's model that answers."""
    drawn: float
    """The share of the questions that was looked at."""
    trouble: str | None = None
    """Why it could not be asked at all, where that is so."""
    tables: bool = False
    """Whether all that was answered meanwhile were rows of tables, beside which nothing is asked."""
    late: Mean | None = None
    """How much more often its answers take longer than [serving] p99; None where none is promised, or none measured."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
