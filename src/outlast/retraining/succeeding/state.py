"""Where a model's loop stands: a run under way, or a candidate on its way; never both, and never two."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outlast.project.period import Period
from outlast.storage.ledger import Ledger, lock
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, utc

_TABLE = tables.marks


@dataclass(frozen=True)
class Run:
    """A training that was decided on: why, on which period, when it was begun (again), and how often."""

    id: str
    trigger: str
    reason: str
    period: Period
    at: datetime
    attempt: int = 1
    by: str = "tick"


@dataclass(frozen=True)
class Candidate:
    """A version that passed its verdict: what had asked for it, and in which stage it stands since when."""

    version: int
    verdict: str
    gate: str
    """The digest of the section [gate] that it was judged by."""
    trigger: str
    at: datetime
    stage: str | None = None
    since: datetime | None = None
    begun: datetime | None = None
    """When it first stood beside what is live."""


@dataclass(frozen=True)
class Standing:
    """What a model's loop is at."""

    run: Run | None = None
    candidate: Candidate | None = None

    def with_candidate(self, **changes: Any) -> "Standing":
        assert self.candidate is not None, "the caller has one"
        return Standing(candidate=replace(self.candidate, **changes))


def standing(ledger: Ledger, model: str) -> Standing:
    """Where a model's loop stands."""
    with ledger.read() as connection:
        return _standing(connection, model)


def standing_in(connection: sa.Connection, model: str) -> Standing:
    """The same within a transaction, in which nobody else changes it from now on."""
    lock(connection, f"loop:{model}")
    return _standing(connection, model)


def _standing(connection: sa.Connection, model: str) -> Standing:
    kept = connection.scalar(sa.select(_TABLE.c.value).where(_TABLE.c.name == _name(model)))
    return Standing() if kept is None else _read(kept)


def stand(connection: sa.Connection, model: str, now: Standing, at: datetime) -> None:
    """Write where a model's loop stands, within the caller's transaction."""
    where = _TABLE.c.name == _name(model)
    connection.execute(sa.delete(_TABLE).where(where))
    if now != Standing():
        connection.execute(sa.insert(_TABLE).values(name=_name(model), value=_plain(now), at=utc(at)))


def looked_at(ledger: Ledger, name: str, every: timedelta, now: datetime) -> bool:
    """Whether something was looked at within a time, with nothing to be done about it."""
    with ledger.read() as connection:
        last = connection.scalar(sa.select(_TABLE.c.at).where(_TABLE.c.name == name))
    return last is not None and utc(now) - last < every


def note_look(ledger: Ledger, name: str, now: datetime) -> None:
    """Note that something was looked at; after the look, so that a tick that was killed has not looked."""
    with ledger.write() as connection:
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.name == name))
        connection.execute(sa.insert(_TABLE).values(name=name, value={}, at=utc(now)))


def _name(model: str) -> str:
    return f"loop/{model}"


def _plain(now: Standing) -> dict[str, Any]:
    run, candidate = now.run, now.candidate
    return {
        "format": FORMAT,
        "run": None if run is None else _dated(asdict(run) | {"period": run.period.to_json()}),
        "candidate": None if candidate is None else _dated(asdict(candidate)),
    }


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _read(kept: Mapping[str, Any]) -> Standing:
    run, candidate = kept["run"], kept["candidate"]
    return Standing(
        None if run is None else Run(**_moments(run, "at") | {"period": Period.from_json(run["period"])}),
        None if candidate is None else Candidate(**_moments(candidate, "at", "since", "begun")),
    )


def _moments(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**row, **{name: datetime.fromisoformat(row[name]) for name in names if row[name] is not None}}
