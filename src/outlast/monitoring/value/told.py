"""What is said of a model's value: plain records, which load nothing of what puts them together."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from outlast.monitoring.figures import Figure
from outlast.types import counted


@dataclass(frozen=True)
class Day:
    """What one day's decisions turned out to be worth, as far as is known by now, and all days up to it."""

    day: datetime
    answers: int
    priced: int
    value: float
    gain: float
    """More than the baseline's decisions would have earned."""
    promised: float | None
    """What the evaluation said that so many decisions gain; None where a version was not evaluated in money."""
    total_gain: float
    total_promised: float | None
    low: float | None = None
    """The gain that as many decisions of such a day might have had, 95 %."""
    high: float | None = None


@dataclass(frozen=True)
class Money:
    """A model's money over some days, of all versions that answered."""

    currency: str
    days: tuple[Day, ...]
    answers: int
    value: Figure
    """Everything together, the interval for as many decisions of days like these."""
    gain: Figure
    gain_per_decision: Figure
    promise_per_decision: Figure
    short: Figure
    """A decision's gain less the promise."""

    @property
    def says(self) -> str:
        """Whether the promise is kept, in a sentence."""
        if self.short.value is None:
            return f"not comparable with the promise: {self.short.reason}"
        if self.short.low is None or self.short.high is None:
            return "too few decisions to hold against the promise"
        if self.short.high < 0:
            return "less than was promised, beyond chance"
        if self.short.low > 0:
            return "more than was promised, beyond chance"
        return "no different from the promise than by chance"


@dataclass(frozen=True)
class Adopted:
    """What one group did, and what came of it; gains are a decision's, against the baseline."""

    kind: str
    """`all`, `by` (who acted), or a column of the questions."""
    name: str
    followed: int
    overridden: int
    ignored: int
    rate: Figure
    gain_followed: Figure
    gain_overridden: Figure
    """What the model's own decisions would have gained where they were overridden."""
    difference: Figure
    """The first less the second: above zero where people override the worse answers."""
    instead: Figure
    """What overriding earned more than the model's decision would have; known where there are two to choose from."""


@dataclass(frozen=True)
class Adoption:
    """Of so many answers, those of which somebody told what was done."""

    answers: int
    told: int
    groups: tuple[Adopted, ...]
    """All together first; none where nobody told."""

    @property
    def says(self) -> str:
        """In a sentence."""
        if not self.groups:
            return "nobody told what was done with an answer: `outlast act`, or POST /actions"
        rate = self.groups[0].rate
        assert rate.value is not None, "a group has an action"
        return (
            f"{rate.value:.0%} followed of {counted(self.told, 'answer')} of which somebody told, of {self.answers:,}"
        )


@dataclass(frozen=True)
class Cost:
    """CPU seconds of 1,000 answers, where that is from, and the money; None with the reason where it is missing."""

    cpu_seconds: float | None
    measured_by: str
    money: float | None
    currency: str
    missing: str | None = None


@dataclass(frozen=True)
class Value:
    """Money, adoption and cost of a model over a period; the cost is that of the live version, or of the newest."""

    model: str
    version: int
    money: Money
    adoption: Adoption
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """Plain values, with what the properties say."""
        plain = asdict(self)
        plain["money"]["says"], plain["adoption"]["says"] = self.money.says, self.adoption.says
        return plain
