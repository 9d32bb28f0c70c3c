"""What is live: the one place where that is written, and the one function that changes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from outlast.errors import Conflict, NotFound, Refused
from outlast.registry import audit, verdicts
from outlast.registry.versions import find_in, hold, unknown
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import ModelRef, utc

Action = Literal["promote", "rollback", "retire"]


@dataclass(frozen=True)
class Rollout:
    """What is live of a model, what a rollback would bring back, and how often that has changed."""

    model: str
    live: int | None
    previous: int | None
    sequence: int
    updated_at: datetime
    advice: bool = False
    challenger: int | None = None
    stage: str | None = None
    share: float | None = None


@dataclass(frozen=True)
class Transition:
    """One change of what is live: who made it, why, and on which evidence."""

    model: str
    sequence: int
    action: Action
    from_version: int | None
    to_version: int | None
    at: datetime
    by: str
    reason: str | None
    verdict_digest: str | None
    advice: bool = False
    challenger: int | None = None
    stage: str | None = None
    share: float | None = None


def transition(  # noqa: PLR0913 (each is a part of the record, given by name)
    ledger: Ledger,
    model: str,
    *,
    action: Action,
    by: str,
    at: datetime,
    to: int | None = None,
    reason: str | None = None,
    verdict: str | None = None,
    expected: int | None = None,
) -> Rollout:
    """Change what is live, with its record and its audit entry in one transaction.

    *promote* makes version `to` live; `verdict` is the digest of a verdict that exactly this version passed.
    *rollback* brings back the version that was live before (`to`, when given, must be that one), never one that was
    rolled back itself. *retire* leaves nothing live. `expected` is the sequence that the caller decided on: when
    somebody else was first, Conflict tells who, and nothing changes.
    """
    with ledger.write() as connection:
        _known(connection, model)
        hold(connection, model, at)
        before = _current(connection, model)
        if expected is not None and expected != before.sequence:
            raise _overtaken(connection, before, expected)
        target = _target(connection, before, action, to, verdict)
        row = Transition(
            model, before.sequence + 1, action, before.live, target, utc(at), audit.plainly(by), _clean(reason), verdict
        )
        connection.execute(sa.insert(tables.transitions).values(vars(row)))
        after = Rollout(model, target, _previous(_transitions(connection, model)), row.sequence, row.at)
        _write(connection, after, first=before.sequence == 0)
        detail = audit.transition_of(row)
        audit.record(connection, actor=by, action=audit.TRANSITION, object=model, detail=detail, at=at)
    return after


def current(ledger: Ledger, model: str) -> Rollout:
    """What is live of a model now; sequence 0 when nothing ever was."""
    with ledger.read() as connection:
        _known(connection, model)
        return _current(connection, model)


def live(ledger: Ledger) -> list[Rollout]:
    """Every model that has a live version, by name."""
    table = tables.rollouts
    query = sa.select(table).where(table.c.live.is_not(None)).order_by(table.c.model)
    with ledger.read() as connection:
        return [Rollout(**row._mapping) for row in connection.execute(query)]


def transitions(ledger: Ledger, model: str) -> list[Transition]:
    """Every change of what is live of a model, oldest first."""
    with ledger.read() as connection:
        _known(connection, model)
        return _transitions(connection, model)


def kept_up(ledger: Ledger, model: str, number: int) -> bool:
    """Whether a version was live or next to be brought back ever since it was live: its fresh values hold then.

    What is pushed is written for those. After one rollback the next one goes further back, to a version that was
    neither for a while.
    """
    steps = transitions(ledger, model)
    for count in range(len(steps), 0, -1):
        if steps[count - 1].to_version == number:
            return True
        if _previous(steps[:count]) != number:
            return False
    return False


def _known(connection: sa.Connection, model: str) -> None:
    if connection.scalar(sa.select(tables.models.c.name).where(tables.models.c.name == model)) is None:
        raise unknown(connection, model)


def _current(connection: sa.Connection, model: str) -> Rollout:
    row = connection.execute(sa.select(tables.rollouts).where(tables.rollouts.c.model == model)).one_or_none()
    if row is not None:
        return Rollout(**row._mapping)
    made = connection.scalar(sa.select(tables.models.c.created_at).where(tables.models.c.name == model))
    assert made is not None, "the caller knows the model"
    return Rollout(model, None, None, 0, made)


def _transitions(connection: sa.Connection, model: str) -> list[Transition]:
    table = tables.transitions
    columns = [column for column in table.c if column.name != "id"]
    rows = connection.execute(sa.select(*columns).where(table.c.model == model).order_by(table.c.sequence))
    return [Transition(**row._mapping) for row in rows]


def _target(
    connection: sa.Connection, before: Rollout, action: Action, to: int | None, verdict: str | None
) -> int | None:
    if action == "promote":
        return _promoted(connection, before, to, verdict)
    if action == "rollback":
        return _rolled_back(before, to)
    if action == "retire":
        return _retired(before, to)
    raise Refused(f"Model '{before.model}' knows no '{action}': say promote, rollback or retire")


def _promoted(connection: sa.Connection, before: Rollout, to: int | None, verdict: str | None) -> int:
    if to is None:
        raise Refused(f"Model '{before.model}' cannot be promoted as a whole: name a version, {before.model}@NUMBER")
    number = find_in(connection, ModelRef(before.model, to)).number
    if number == before.live:
        when = before.updated_at.isoformat(sep=" ", timespec="seconds")
        raise Conflict(f"Version {number} of model '{before.model}' is live already, since {when}: nothing to promote")
    _passed(connection, before.model, number, verdict)
    return number


def _passed(connection: sa.Connection, model: str, number: int, verdict: str | None) -> None:
    what = f"Version {number} of model '{model}' cannot go live"
    if verdict is None:
        raise Refused(f"{what} without a verdict: `outlast promote {model}@{number}` asks for one")
    row = verdicts.read(connection, verdict)
    if row is None:
        raise NotFound(f"{what} on verdict {verdict[:12]}, which is not in the ledger: ask for a new verdict")
    if (row.model, row.number) != (model, number):
        whose = f"version {row.number} of model '{row.model}'"
        raise Refused(f"{what} on verdict {verdict[:12]}, which is about {whose}: ask for one about this version")
    if not row.whole:
        raise Refused(
            f"{what} on verdict {verdict[:12]}, which was edited after it was written: "
            f"`outlast promote {model}@{number}` asks for a new one, `outlast doctor` looks for more"
        )
    if not row.passed:
        raise Refused(f"{what}: it did not pass verdict {verdict[:12]}; see why with `outlast show {model}@{number}`")


def _rolled_back(before: Rollout, to: int | None) -> int:
    if before.previous is None:
        raise Refused(f"Model '{before.model}' has no earlier version to roll back to: promote another one")
    if to not in (None, before.previous):
        raise Conflict(
            f"A rollback of model '{before.model}' goes to version {before.previous}, not {to}: "
            f"somebody changed what is live, or promote version {to} instead"
        )
    return before.previous


def _retired(before: Rollout, to: int | None) -> int | None:
    if before.live is None:
        raise Refused(f"Model '{before.model}' has nothing live that could be retired")
    if to is not None:
        raise Refused(f"Retiring model '{before.model}' leaves nothing live: to go to version {to}, promote that")
    return None


def _previous(history: list[Transition]) -> int | None:
    """What a rollback brings back: what was live before, leaving out what was rolled back itself.

    Two people who roll back at the same moment never bring the bad version back.
    """
    stack: list[int] = []
    for step in history:
        if step.action == "rollback":
            stack.pop()
        elif step.from_version is not None:
            stack.append(step.from_version)
    return stack[-1] if stack else None


def _write(connection: sa.Connection, after: Rollout, *, first: bool) -> None:
    if first:
        connection.execute(sa.insert(tables.rollouts).values(vars(after)))
    else:
        connection.execute(sa.update(tables.rollouts).where(tables.rollouts.c.model == after.model).values(vars(after)))


def _overtaken(connection: sa.Connection, now: Rollout, expected: int) -> Conflict:
    last: Any = _transitions(connection, now.model)[-1:]
    who = f" by {last[0].by}: {last[0].action} to version {last[0].to_version}" if last else ""
    return Conflict(
        f"What is live of model '{now.model}' has changed since you looked ({now.sequence}, not {expected}){who}. "
        f"Look again with: outlast history {now.model}",
        details={"sequence": now.sequence, "live": now.live},
    )


def _clean(reason: str | None) -> str | None:
    return None if reason is None else audit.plainly(reason)
