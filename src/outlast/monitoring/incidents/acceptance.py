"""What was accepted as normal: which streams of findings of a model, from when until when, and how bad they were.

A stream that was accepted opens no incident while it departs from the promotion's reference and is no worse than then.
Detectors that take the accepted time for their reference read the same rows; what they find is news.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.incidents.incident import Incident, Level
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, utc

_A = tables.accepted.c
OF_VERSION = frozenset(
    {"loss", "value", "error", "calibration", "slice", "estimated-loss", "score-drift", "label-drift", "multivariate"}
)
"""Kinds that tell of one thing in different ways: who accepts one of them accepts how the version does now."""


@dataclass(frozen=True)
class Accepted:
    """One acceptance."""

    model: str
    at: datetime
    by: str
    reason: str
    incident: str | None
    level: Level
    streams: tuple[tuple[str, str | None], ...]
    """Kind and column of the findings."""
    since: datetime
    """From when on what is seen counts as normal."""
    until: datetime | None
    """Until when; None where it stays so."""

    def covers(self, kind: str, column: str | None, at: datetime) -> bool:
        """Whether a stream's finding about a moment is normal."""
        there = self.since <= at and (self.until is None or at < self.until)
        return there and ((kind, column) in self.streams or (kind in OF_VERSION and self.of_version))

    @property
    def of_version(self) -> bool:
        """Whether how the version does was accepted, and not only that a column has moved."""
        return any(kind in OF_VERSION for kind, _ in self.streams)


def accepted(connection: sa.Connection, model: str) -> list[Accepted]:
    """What was accepted of a model, oldest first."""
    query = sa.select(tables.accepted).where(_A.model == model).order_by(_A.id)
    return [_read(row) for row in connection.execute(query)]


def keep(connection: sa.Connection, incident: Incident, *, by: str, reason: str, at: datetime) -> Accepted:
    """Take what an incident found, from its beginning on, for normal."""
    streams = tuple((one.kind, one.column) for one in incident.found)
    one = Accepted(
        incident.model, utc(at), str(by), reason, incident.id, incident.severity, streams, utc(incident.since), None
    )
    detail: dict[str, Any] = {
        "format": FORMAT,
        "level": one.level,
        "streams": [list(stream) for stream in streams],
        "since": one.since.isoformat(),
        "until": None,
    }
    values = {"model": one.model, "at": one.at, "by": one.by, "reason": reason, "incident": one.incident}
    connection.execute(sa.insert(tables.accepted).values(**values, detail=detail))
    return one


def _read(row: Any) -> Accepted:
    kept = row.detail
    until = kept["until"]
    return Accepted(
        row.model, row.at, row.by, row.reason, row.incident, kept["level"],
        tuple((kind, column) for kind, column in kept["streams"]),
        datetime.fromisoformat(kept["since"]), None if until is None else datetime.fromisoformat(until),
    )  # fmt: skip
