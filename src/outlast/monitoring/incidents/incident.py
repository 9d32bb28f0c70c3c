"""What an incident is: what was found, since when, what it costs, whose it is, and what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from outlast.monitoring.harm import Harm

State = Literal["open", "acknowledged", "snoozed", "resolved", "accepted"]
Level = Literal["SEV1", "SEV2", "SEV3"]

LIVE: tuple[State, ...] = ("open", "acknowledged", "snoozed")
"""States in which an incident takes further findings."""
CALM, SLOW = timedelta(days=2), timedelta(days=7)
"""How long nothing must be found before an incident is proposed to be resolved; and where evidence of drift or loss has
to gather anew before it is found again."""


@dataclass(frozen=True)
class Event:
    """One line of an incident's timeline."""

    at: datetime
    by: str
    action: str
    sentence: str


@dataclass(frozen=True)
class Found:
    """One stream of findings within an incident: what was found first and last, and how often."""

    kind: str
    column: str | None
    severity: str
    sentence: str
    first: datetime
    last: datetime
    times: int = 1


@dataclass(frozen=True)
class Incident:
    """Something that is wrong with a model, for one reason; `version` is the one it was first found in."""

    id: str
    model: str
    version: int
    cause: str
    severity: Level
    state: State
    owner: str | None
    """Who looks at it: whom it was assigned to, else the contract's owner; None where that seat is vacant."""
    runbook: str | None
    title: str
    since: datetime
    """When it began, as far as findings tell; it was noticed at `opened_at`."""
    last: datetime
    """The end of the newest time in which it was found."""
    seen_at: datetime
    """When a finding last told of it."""
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    told_at: datetime
    """When people were last told that somebody has to look at it."""
    found: tuple[Found, ...]
    cost: Harm | None = None
    currency: str = ""
    snoozed_until: datetime | None = None
    calm_since: datetime | None = None
    """Since when nothing was found any more: it is proposed to be resolved."""
    escalated_at: datetime | None = None
    benign: bool = False
    """It moves nothing that counts: nobody was told, and it may be accepted as normal."""
    before: str | None = None
    """The incident of the same cause that was resolved before this one came."""
    account: str | None = None
    """What goes with it: cost, what moved, which rows, what to do. It proves no cause."""
    proposed: str | None = None
    """What the account proposes: fix feed, recalibrate, retrain, label, or ignore."""
    accounted_at: datetime | None = None
    account_known: bool = False
    """Whether the account rests on outcomes, and not only on what is asked."""

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def urgency(self) -> Literal["page", "ticket"]:
        return "ticket" if self.severity == "SEV3" else "page"

    @property
    def streams(self) -> frozenset[tuple[str, str | None]]:
        """Kind and column of all that was found."""
        return frozenset((one.kind, one.column) for one in self.found)

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"incident {self.id}, {self.severity}"
