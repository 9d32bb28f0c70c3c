"""What a decision to train a successor rests on, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from outlast.monitoring.counting.counts import Counts, merged
from outlast.monitoring.counting.windows import stored
from outlast.project.workspace import Workspace
from outlast.registry.rollout import Rollout
from outlast.registry.versions import Version
from outlast.retraining.deciding.records import Decision, decisions
from outlast.retraining.deciding.troubles import Trouble, troubles
from outlast.storage.ledger import Ledger
from outlast.types import utc

MONTH = timedelta(days=30)
"""What is looked back on, and what a successor is taken to win back within."""
FEWEST = 100
"""Known outcomes below which nothing is said about a loss."""


@dataclass(frozen=True)
class Shortfall:
    """What decisions of the last month were worth above the baseline, beside what the version's evaluation said."""

    promised: float
    realised: float
    low: float
    high: float
    rows: int
    per_day: float

    @property
    def month(self) -> float:
        """What would be won back in a month if a successor kept the promise."""
        return max(0.0, self.promised - self.realised) * self.per_day * MONTH.days

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "month": self.month}


@dataclass(frozen=True)
class Facts:
    """The live version, what it has learned up to, what came since, what is wrong, and what was done before."""

    now: datetime
    live: Version
    cutoff: datetime
    labels: int
    shortfall: Shortfall | None
    troubles: Sequence[Trouble]
    past: Sequence[Decision]
    beside: str | None

    def last(self, *what: str) -> datetime | None:
        """When one of these was decided last."""
        return max((one.at for one in self.past if one.what in what), default=None)

    def runs(self) -> int:
        """How many were begun within a month; one that was begun again counts once."""
        return sum(one.what == "started" and self.now - one.at < MONTH for one in self.past)

    def numbers(self) -> dict[str, Any]:
        """As a decision keeps them."""
        short = None if self.shortfall is None else self.shortfall.plain()
        return {"live": self.live.number, "cutoff": self.cutoff.isoformat(), "labels": self.labels, "shortfall": short}


def facts_of(workspace: Workspace, live: Version, rollout: Rollout, now: datetime) -> Facts:
    """Everything that a decision about a model asks."""
    ledger, cutoff = workspace.ledger, cutoff_of(live)
    beside = None if rollout.challenger is None else f"{live.model}@{rollout.challenger} stands beside as "
    beside = beside and f"{beside}{rollout.of(rollout.challenger or 0)}"
    return Facts(
        utc(now), live, cutoff, _labels(ledger, live.model, cutoff), shortfall(ledger, live, now),
        troubles(ledger, live.model), decisions(ledger, live.model), beside,
    )  # fmt: skip


def cutoff_of(version: Version) -> datetime:
    """The moment whose knowledge a version has learned from."""
    period: Mapping[str, Any] = version.summary.get("period") or {}
    said = period.get("cutoff") or period.get("until")
    return utc(version.created_at) if said is None else utc(datetime.fromisoformat(said))


def shortfall(ledger: Ledger, live: Version, now: datetime) -> Shortfall | None:
    """What the live version falls short of; None without money, or where too few outcomes are known."""
    promise = live.summary.get("value")
    windows = stored(ledger, live.model, live.number, now - MONTH, now)
    counts = merged(one.counts for one in windows)
    if promise is None or counts is None:
        return None
    gain = counts.moment("gain")
    if gain.n < FEWEST or gain.mean is None:
        return None
    half = 1.96 * (gain.error or 0.0)
    days = max((utc(now) - min(one.starts_at for one in windows)) / timedelta(days=1), 1.0)
    return Shortfall(promise["per_decision"], gain.mean, gain.mean - half, gain.mean + half, gain.n, counts.rows / days)


def _labels(ledger: Ledger, model: str, cutoff: datetime) -> int:
    """Outcomes of questions that were decided since the cutoff and have matured."""
    return sum(_known(one.counts) for one in stored(ledger, model, None, cutoff))


def _known(counts: Counts) -> int:
    return counts.tally("labelled") + counts.tally("assumed")
