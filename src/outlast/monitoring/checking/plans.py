"""What a version is watched by: the detectors' plan, rehearsed once on the version's own past."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.monitoring.checking.normal import normal_of
from outlast.monitoring.checking.reference import Watched
from outlast.monitoring.detecting.planning import Budget, Plan, measured, planned
from outlast.monitoring.detecting.rehearsal import rehearsed
from outlast.monitoring.detecting.streams import FORMS
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import FORMAT, digest_of

SEED = 7
_MOST = 16
_plans: OrderedDict[str, Plan] = OrderedDict()
"""Of the last versions, for a process that ticks often: making one takes a third of a second."""
_D = tables.detectors.c


@dataclass(frozen=True, eq=False)
class Watch:
    """A version's reference, the plan, and what the rehearsal said of it."""

    subject: Subject
    watched: Watched
    plan: Plan
    sentence: str


def watch_of(
    workspace: Workspace, subject: Subject, now: datetime, hold: Callable[[], None] = lambda: None
) -> Watch | None:
    """The watch over a version; None where its bundle keeps no past to be watched against."""
    if subject.past is None:
        return None
    nulls = _nulls(subject)
    normal = normal_of(workspace.ledger, subject)
    found = Watched(subject.version, subject.profile, subject.past, subject.cadence, subject.digests, nulls, normal)
    contract = subject.contract.monitoring
    budget = Budget(contract.budget, contract.tickets, int(subject.cadence.total_seconds()))
    key = digest_of(
        [vars(budget), {name: list(table.keys) for name, table in found.tables.items()}, nulls, sorted(FORMS)]
    )
    known = _known(workspace.ledger, subject, key)
    if known is None:
        hold()
        first = measured(planned(found.tables, budget))
        plan = planned(found.tables, budget, known=_with_slices(first))
        done = rehearsed(plan, found.tables, seed=SEED, hold=hold)
        known = {"format": FORMAT, "key": key, "effects": measured(done.plan), "sentence": done.sentence}
        _keep(workspace.ledger, subject, known, now)
        return Watch(subject, found, done.plan, done.sentence)
    mine = f"{workspace.ledger.url}/{subject.model}@{subject.version}/{key}"
    if mine not in _plans:
        while len(_plans) >= _MOST:
            _plans.popitem(last=False)
        _plans[mine] = planned(found.tables, budget, known=known["effects"])
    return Watch(subject, found, _plans[mine], str(known["sentence"]))


def _nulls(subject: Subject) -> dict[str, float]:
    """How much of what is asked may be missing, by the contract's rules for the questions' source."""
    asked = {name for name in subject.profile.names if name not in subject.sources}
    every = [(name, share) for rules in subject.contract.data.values() for name, share in rules.nulls.items()]
    return {name: max(share for other, share in every if other == name) for name, _ in every if name in asked}


def _with_slices(effects: dict[str, list[float]]) -> dict[str, list[float]]:
    """Slices have no past of their own to measure by: they hang together at least as the whole does."""
    whole = max(effects.get("loss", [1.0]))
    slices = [max(one, whole) for one in effects.get("slices", [])]
    return effects | ({"slices": slices} if slices else {})


def said_of(ledger: Ledger, model: str, version: int) -> str | None:
    """What the rehearsal said of a version; None where none was made."""
    with ledger.read() as connection:
        detail = connection.scalar(sa.select(_D.detail).where((_D.model == model) & (_D.name == _name(version))))
    return None if detail is None else str(detail["sentence"])


def _known(ledger: Ledger, subject: Subject, key: str) -> dict[str, Any] | None:
    mine = (_D.model == subject.model) & (_D.name == _name(subject.version))
    with ledger.read() as connection:
        detail = connection.scalar(sa.select(_D.detail).where(mine))
    return dict(detail) if detail is not None and detail["key"] == key else None


def _keep(ledger: Ledger, subject: Subject, detail: dict[str, Any], now: datetime) -> None:
    mine = (_D.model == subject.model) & (_D.name == _name(subject.version))
    with ledger.write() as connection:
        connection.execute(sa.delete(tables.detectors).where(mine))
        values = {"model": subject.model, "name": _name(subject.version), "at": now, "detail": detail}
        connection.execute(sa.insert(tables.detectors).values(**values))


def _name(version: int) -> str:
    return f"plan@{version}"
