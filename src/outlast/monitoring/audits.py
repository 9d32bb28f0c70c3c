"""The audit of served features that runs by itself: each day once, kept in the ledger, and told where it matters.

Half a day after a day is over, and the slowest source's lag later, a sample of its answers is computed again.
What comes in after that is not waited for: an audited day is not judged again. Figures and alerts are written in one
transaction, so a killed audit is done anew and ends at the same ones.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa

from outlast.bundle.lookups import read_back
from outlast.bundle.predictor import open_bundle
from outlast.data.schema import from_json
from outlast.errors import OutlastError
from outlast.journal.reading import predictions
from outlast.monitoring.counting.marks import put_mark
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.monitoring.skew import Audit, Column, Hold, Opened, Unread, audit
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.storage.ledger.ledger import lock
from outlast.types import FORMAT, ModelRef, counted, utc

DAY = timedelta(days=1)
WAIT = timedelta(hours=12)
"""How long after a day and the longest lag its answers are looked at: what comes once a night is there then."""
DAYS = 7
"""The newest days with answers that are looked at; after a longer outage the days before are passed over."""
LOOK = timedelta(hours=1)
"""How long nothing is looked for after nothing was due."""
TRIES = 3
"""How often a day is looked at of which a version could not be computed again."""
TOLERATED = 0.01
"""The share of a day's answers that may have missed a fact that came late before somebody is told."""
_M = tables.marks.c


@dataclass(frozen=True)
class Audited:
    """What the audit of one day found. A feature that is not among the columns was equal in every answer."""

    day: datetime
    answers: int
    served: int
    looked_at: int
    features: int
    columns: tuple[Column, ...] = ()
    unread: tuple[Unread, ...] = ()
    tries: int = 1

    def sentence(self, model: str) -> str:
        """For people: how many answers were looked at, and which features were not what they should have been."""
        of = f"{counted(self.answers, 'answer')} of {self.day:%Y-%m-%d}"
        if not self.looked_at and not self.unread:
            return f"none of {of} could be computed again: none was given in full with its features kept"
        said = [f"{self.looked_at:,} of {of} computed again"]
        if not self.columns:
            return "; ".join([": ".join([*said, "all equal"]) if self.looked_at else said[0], *self._failures()])
        wrong = sorted(self.columns, key=lambda one: -one.rate)
        shown = ", ".join(f"{one.column} differs in {one.rate:.1%} ({_why(one)})" for one in wrong[:3])
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return "; ".join([f"{said[0]}: {shown}{more}", *self._failures(), f"see: {_command(model, self.day)}"])

    def _failures(self) -> list[str]:
        return [f"{counted(one.answers, 'answer')} of version {one.version} not: {one.sentence}" for one in self.unread]


def audit_due(
    workspace: Workspace, model: str, *, now: datetime, subject: Callable[[int], Subject], hold: Hold
) -> list[tuple[Audited, int]]:
    """Audit every day that is due; those of which the figures are new, with how many alerts each raised."""
    last = _looked(workspace.ledger, model)
    if last is not None and timedelta(0) <= utc(now) - last < LOOK:
        return []
    done: list[tuple[Audited, int]] = []
    opened = Opened(workspace)
    for day, before in _due(workspace, model, utc(now)):
        hold()
        found = audit(workspace, model, since=day, until=day + DAY, opened=opened, hold=hold)
        tries = 1 if before is None else before.tries + 1
        one = _summed(found, day, tries)
        hold()
        raised = _keep(workspace.ledger, model, (one, before), subject, utc(now))
        if raised is not None:
            done.append((one, raised))
    with workspace.ledger.write() as connection:
        put_mark(connection, f"skew-looked/{model}", {}, utc(now))
    return done


def audited(ledger: Ledger, model: str, since: datetime | None = None, until: datetime | None = None) -> list[Audited]:
    """The audits of a model's days with since <= day < until, oldest first."""
    start = f"skew/{model}/"
    with ledger.read() as connection:
        rows = connection.execute(
            sa.select(_M.value).where(_M.name.startswith(start, autoescape=True)).order_by(_M.name)
        )
        found = [_read(row.value) for row in rows]
    return [
        one for one in found if (since is None or one.day >= utc(since)) and (until is None or one.day < utc(until))
    ]


def findings(model: str, of: Audited) -> dict[int, list[Finding]]:
    """What somebody is to be told, by version, the worst first.

    One value that other code gave is enough: no feed explains it. Of facts that came late a share is tolerated. The
    sample is drawn from the day's answers by their ids, so the late ones in it are binomial for a day with that share
    (and fewer, by the finite day): told when so many have a chance below one in 365 days and features.
    """
    told: dict[int, list[Finding]] = {}
    for one in sorted(of.columns, key=lambda one: (-one.rate, one.column)):
        found = told.setdefault(one.version, [])
        if one.other_code:
            found.append(_other_code(model, of, one, advise=not any(f.kind == "other-code" for f in found)))
        known = one.rows - one.unexplained
        if one.late and chance(one.late, known, TOLERATED) < 1 / (365 * max(1, of.features)):
            found.append(_late(model, of, one, advise=not any(f.kind == "late-feed" for f in found)))
    return {version: found for version, found in told.items() if found}


def chance(hits: int, rows: int, share: float) -> float:
    """The chance of so many hits or more among rows that are each one with a chance of `share`.

    >>> round(chance(1, 2, 0.5), 3), chance(0, 5, 0.01)
    (0.75, 1.0)
    """
    from scipy.special import bdtrc  # a tick that has nothing to audit does not wait for it

    return float(bdtrc(hits - 1, rows, share))


def _other_code(model: str, of: Audited, one: Column, *, advise: bool) -> Finding:
    advice = f"; find out which code answers as version {one.version}: outlast history {model}, and all of it: "
    said = f"{_counts(one, one.other_code)} facts give, as known then or as they came in{_example(one, 'other code')}"
    return Finding("other-code", one.column, "ticket", said + (advice + _command(model, of.day)) * advise, None)


def _late(model: str, of: Audited, one: Column, *, advise: bool) -> Finding:
    feed = "the feed" if one.source is None else f"the feed of '{one.source}'"
    advice = f"; raise the source's lag or mend {feed}; all of it: "
    said = f"{_counts(one, one.late)} facts known at the time give, since some came late{_example(one, 'late')}"
    return Finding("late-feed", one.column, "ticket", said + (advice + _command(model, of.day)) * advise, None)


def _counts(one: Column, number: int) -> str:
    rows = one.rows - one.unexplained
    return (
        f"{one.column} was served in {number:,} of {counted(rows, 'answer')} ({number / rows:.1%}) otherwise than the"
    )


def _example(one: Column, reason: str) -> str:
    found = one.examples[reason]
    return f": prediction {found['prediction_id']} had {found['served']}, not {found['computed']}"


def _why(one: Column) -> str:
    reasons = {"late facts": one.late, "other code": one.other_code, "reason not looked for": one.unexplained}
    there = {name: number for name, number in reasons.items() if number}
    return next(iter(there)) if len(there) == 1 else ", ".join(f"{name} {number}" for name, number in there.items())


def _command(model: str, day: datetime) -> str:
    return f"outlast skew {model} --since {day:%Y-%m-%d} --until {day + DAY:%Y-%m-%d}"


def _due(workspace: Workspace, model: str, now: datetime) -> Iterable[tuple[datetime, Audited | None]]:
    """Days to look at, oldest first, each with what was found of it before."""
    over = now - WAIT - DAY - _longest_lag(workspace, model)
    day = pl.col("decide_at").dt.truncate("1d")
    days = predictions(workspace, model).select(day.alias("day")).unique().filter(pl.col("day") <= over)
    newest = sorted(days.collect()["day"].to_list())[-DAYS:]
    before = {one.day: one for one in audited(workspace.ledger, model)} if newest else {}
    for one in newest:
        known = before.get(one)
        if known is None or (known.unread and known.tries < TRIES):
            yield one, known


def _longest_lag(workspace: Workspace, model: str) -> timedelta:
    """The longest lag among the sources of the live version, or of the newest one; nothing of it is executed."""
    try:
        manifest = open_bundle(workspace, find(workspace.ledger, ModelRef(model)).digest).manifest
    except OutlastError:
        return timedelta(0)  # the audit itself will say what is wrong with it
    schemas = {name: from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
    lags = [read_back(kept, schemas).lookup.source.delay for kept in manifest["lookups"]]
    return max(lags, default=timedelta(0))


def _summed(found: Audit, day: datetime, tries: int) -> Audited:
    wrong = tuple(one for one in found.columns if one.differ)
    features = len({one.column for one in found.columns})
    return Audited(day, found.answers, found.served, found.looked_at, features, wrong, found.unread, tries)


def _keep(
    ledger: Ledger,
    model: str,
    states: tuple[Audited, Audited | None],
    subject: Callable[[int], Subject],
    now: datetime,
) -> int | None:
    """Write a day's figures, now and before, and alerts; how many were raised, or None where nothing is new or another
    was faster."""
    found, before = states
    told = {version: (subject(version), some) for version, some in findings(model, found).items()}
    name, raised = f"skew/{model}/{found.day:%Y-%m-%d}", 0
    with ledger.write() as connection:
        lock(connection, name)
        kept = connection.scalar(sa.select(_M.value).where(_M.name == name))
        if kept is not None and (before is None or _read(kept) != before):
            return None
        put_mark(connection, name, _plain(found), now)
        for version, (of, some) in told.items():
            scope = Scope(model, version, "day", found.day, found.day + DAY)
            raised += raise_findings(connection, scope, some, of.contract, now)
    new = before is None or (before.columns, before.unread) != (found.columns, found.unread)
    return raised if new or raised else None


def _looked(ledger: Ledger, model: str) -> datetime | None:
    with ledger.read() as connection:
        found: datetime | None = connection.scalar(sa.select(_M.at).where(_M.name == f"skew-looked/{model}"))
        return found


def _plain(found: Audited) -> dict[str, Any]:
    return {"format": FORMAT, **asdict(found), "day": found.day.isoformat()}


def _read(value: Any) -> Audited:
    return msgspec.convert({name: part for name, part in value.items() if name != "format"}, Audited)
