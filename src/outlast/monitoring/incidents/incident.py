"""Incidents as the ledger has them: what was found, since when, what it costs, whose it is, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from outlast.errors import NotFound, RequestError, nearest
from outlast.monitoring.judge import Severity
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import utc

State = Literal["open", "acknowledged", "snoozed", "resolved", "accepted"]
Level = Literal["SEV1", "SEV2", "SEV3"]

LIVE: tuple[State, ...] = ("open", "acknowledged", "snoozed")
"""States in which an incident takes further findings."""
CALM = timedelta(days=2)
"""How long nothing must be found before an incident is proposed to be resolved."""
_T, _E = tables.incidents.c, tables.incident_events.c


@dataclass(frozen=True)
class Event:
    """One line of an incident's timeline."""

    at: datetime
    by: str
    action: str
    sentence: str


@dataclass(frozen=True)
class Cost:
    """What an incident costs a day, in the contract's currency, with its interval."""

    per_day: float
    low: float
    high: float
    stake: float | None = None
    """What the model is worth a day while all is well."""


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
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    found: tuple[Found, ...]
    cost: Cost | None = None
    currency: str = ""
    snoozed_until: datetime | None = None
    calm_since: datetime | None = None
    """Since when nothing was found any more: it is proposed to be resolved."""
    benign: bool = False
    """It moves nothing that counts: nobody was told, and it may be accepted as normal."""
    before: str | None = None
    """The incident of the same cause that was resolved before this one came."""

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def urgency(self) -> Severity:
        return "ticket" if self.severity == "SEV3" else "page"

    @property
    def streams(self) -> frozenset[tuple[str, str | None]]:
        """Kind and column of all that was found."""
        return frozenset((one.kind, one.column) for one in self.found)

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"incident {self.id} ({self.severity})"


def incidents(
    ledger: Ledger, model: str | None = None, *, live: bool = False, since: datetime | None = None
) -> list[Incident]:
    """Incidents, the newest first; only those that are not closed, or that were open since a moment."""
    query = sa.select(tables.incidents).order_by(_T.opened_at.desc(), _T.id)
    query = query if model is None else query.where(_T.model == model)
    query = query.where(_T.state.in_(LIVE)) if live else query
    if since is not None:
        query = query.where(_T.closed_at.is_(None) | (_T.closed_at >= utc(since)))
    with ledger.read() as connection:
        return [read(row) for row in connection.execute(query)]


def timeline(ledger: Ledger, incident: str) -> list[Event]:
    """What happened to an incident, in order."""
    query = sa.select(_E.at, _E.by, _E.action, _E.sentence).where(_E.incident == incident).order_by(_E.id)
    with ledger.read() as connection:
        return [Event(*row) for row in connection.execute(query)]


def named(ledger: Ledger, begins: str, sees: Callable[[str], bool] = lambda _: True) -> Incident:
    """The one incident whose id begins so, among the models that the asker may know of."""
    wanted = begins.strip().lower()
    with ledger.read() as connection:
        known = [row.id for row in connection.execute(sa.select(_T.id, _T.model)) if sees(row.model)]
        same = [one for one in known if one.startswith(wanted)] if wanted else []
        if len(same) == 1 or wanted in same:
            one = wanted if wanted in same else same[0]
            return read(connection.execute(sa.select(tables.incidents).where(_T.id == one)).one())
    if same:
        raise RequestError(f"Several incidents begin with '{wanted}', such as {same[0]} and {same[1]}: give more of it")
    if not known:
        raise NotFound(f"There is no incident '{begins[:40]}', nor any other: nothing was found yet")
    hint = nearest(wanted, known) if len(known) <= 8 else _close(wanted, known)
    raise NotFound(f"There is no incident '{begins[:40]}': {hint}")


def _close(wanted: str, known: Sequence[str]) -> str:
    said = nearest(wanted, known)
    return said if said.startswith("did you mean") else "`outlast incidents --all` lists them"


def read(row: Any) -> Incident:
    """An incident from its row."""
    kept: Mapping[str, Any] = row.detail
    return Incident(
        row.id, row.model, kept["version"], row.cause, row.severity, row.state, row.owner, kept["runbook"],
        kept["title"], _at(kept["since"]), _at(kept["last"]), row.opened_at, row.changed_at, row.closed_at,
        tuple(_found(one) for one in kept["found"]),
        None if kept["cost"] is None else Cost(**kept["cost"]),
        kept["currency"], _maybe(kept.get("snoozed_until")), _maybe(kept.get("calm_since")),
        bool(kept.get("benign")), kept.get("before"),
    )  # fmt: skip


def _found(kept: Mapping[str, Any]) -> Found:
    return Found(**{**kept, "first": _at(kept["first"]), "last": _at(kept["last"])})


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else _at(text)
