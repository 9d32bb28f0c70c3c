"""What is said of a version: plain records, which load nothing of what puts them together."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from outlast.gates.verdict import Verdict
from outlast.registry.approvals import Approval
from outlast.registry.rollout import Transition
from outlast.registry.versions import Version
from outlast.types import Explanation

_ENVIRONMENT = ("python", "environment", "builds", "machine", "threads", "seed", "parameters")


@dataclass(frozen=True)
class Acted:
    """What somebody did with an answer, or said of it."""

    action: str
    comment: str | None
    by: str | None
    at: datetime
    origin: str


@dataclass(frozen=True)
class Answered:
    """A prediction as the journal keeps it, in plain values and without those of sensitive columns."""

    prediction_id: str
    model: str
    version: int
    digest: str
    request_id: str
    server: str
    key: str | None
    at: datetime
    decide_at: datetime
    asks: dict[str, Any] | None
    features: dict[str, Any] | None
    score: float | None
    scores: dict[str, Any] | None
    decision: str | None
    rung: str
    reasons: list[str]
    warnings: list[str]
    asks_digest: str | None
    made_live: Transition | None
    actions: tuple[Acted, ...] = ()
    explanation: Explanation | None = None
    unexplained: str | None = None
    """Why there is no explanation, where one was asked for."""
    took: int | None = None
    """Microseconds from the request until the answer was kept; None of a scored table."""


@dataclass(frozen=True)
class Why:
    """What is known of a version, and of one of its answers when that was asked about."""

    version: Version
    steps: list[Transition]
    verdict: Verdict | None
    approvals: list[Approval]
    moved: dict[str, str | None]
    prediction: Answered | None = None

    def plain(self) -> dict[str, Any]:
        """Everything, for programs."""
        version, summary, lineage = self.version, self.version.summary, self.version.lineage
        return {
            "version": str(version),
            "digest": version.digest,
            "trained": {"at": version.created_at, "by": version.created_by, "cost": summary.get("cost")},
            "code": lineage["code"],
            "sources": summary["sources"],
            "moved": self.moved,
            "training_set": {"table": lineage["snapshot"], **lineage.get("training_set", {}), "split": summary["rows"]},
            "features": lineage.get("features") or [{"columns": summary["features"]}],
            "environment": {name: lineage.get(name) for name in _ENVIRONMENT},
            "lineage": lineage,
            "transitions": [vars(step) for step in self.steps],
            "verdict": self.verdict,
            "approvals": self.approvals,
            "prediction": self.prediction,
        }


@dataclass(frozen=True)
class Costs:
    """CPU seconds that making a version took and that 1,000 of its answers take, and what an hour of them costs."""

    training: float | None
    per_1000: float | None
    cpu_hour: float | None
    currency: str

    def said(self, seconds: float) -> str:
        """So many of them for people, in money where there is a price.

        >>> Costs(None, None, 0.05, "EUR").said(72)
        '72 CPU seconds (0.001 EUR)'
        """
        told = f"{seconds:.3g} CPU seconds" if seconds < 1000 else f"{seconds:,.0f} CPU seconds"
        if self.cpu_hour is None:
            return told
        amount = Decimal(f"{seconds / 3600 * self.cpu_hour:.2g}")
        return f"{told} ({amount:,f} {self.currency})"


@dataclass(frozen=True)
class Answer:
    """A question, whether it is so (None: not known), what that rests on, and what to do next."""

    question: str
    yes: bool | None
    rests_on: str
    next: str | None


@dataclass(frozen=True)
class Ready:
    """Every question by its group, and what was answered."""

    version: Version
    at: datetime
    groups: dict[str, tuple[Answer, ...]]

    @property
    def answers(self) -> list[Answer]:
        return [one for group in self.groups.values() for one in group]

    @property
    def ready(self) -> bool:
        """Whether no question is answered by no; what is not known stands in nobody's way, and is told."""
        return all(one.yes is not False for one in self.answers)

    def count(self, yes: bool | None) -> int:
        """How many answers are so."""
        return sum(one.yes is yes for one in self.answers)

    def plain(self) -> dict[str, Any]:
        """The same for programs."""
        counts = {"yes": self.count(True), "no": self.count(False), "not_known": self.count(None)}
        groups = {name: [asdict(one) for one in found] for name, found in self.groups.items()}
        return {"version": str(self.version), "at": self.at, "ready": self.ready, "counts": counts, "groups": groups}
