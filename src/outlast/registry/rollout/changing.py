"""The one function that changes what is live."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.errors import Conflict, NotFound, Refused
from outlast.registry import approvals, audit, verdicts
from outlast.registry.rollout.reading import current_in, previous, require_known, transitions_in
from outlast.registry.rollout.rules import LETTING_OUT, After, Asked, after, retired
from outlast.registry.rollout.state import Action, Rollout, Transition
from outlast.registry.versions import Version, find_in, hold
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import ModelRef, utc


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
    share: float | None = None,
    expected: int | None = None,
) -> Rollout:
    """Change what is live by the table of `rules`, with its record and its audit entry in one transaction.

    `to` is the version that the action is about; `verdict` the digest of a verdict that exactly this version passed,
    and which as many people approved as the contract asks. A rollback's `to`, when given, must be the version that it
    leads to. `expected` is the sequence that the caller decided on: when somebody else was first, Conflict tells who,
    and nothing changes.
    """
    with ledger.write() as connection:
        require_known(connection, model)
        hold(connection, model, at)
        before, history = current_in(connection, model), transitions_in(connection, model)
        if expected is not None and expected != before.sequence:
            raise _overtaken(before, history, expected)
        if to is not None:
            version = find_in(connection, ModelRef(model, to))
        state = after(before, history, Asked(action, to, share))
        if action in LETTING_OUT:
            _require_evidence(connection, version, verdict, history)
        why = None if reason is None else audit.plainly(reason)
        row = Transition(
            model, before.sequence + 1, action, before.live, state.live, utc(at), audit.plainly(by), why, verdict,
            state.about, **_standing(connection, model, state),
        )  # fmt: skip
        connection.execute(sa.insert(tables.transitions).values(vars(row)))
        now = _rollout([*history, row])
        _write(connection, now)
        detail = audit.transition_of(row)
        audit.record(connection, actor=by, action=audit.TRANSITION, object=model, detail=detail, at=at)
    return now


def require_allowed(ledger: Ledger, model: str, asked: Asked) -> Rollout:
    """What is live now, if the rules allow what is asked of it: said before work is done for it."""
    with ledger.read() as connection:
        require_known(connection, model)
        before, history = current_in(connection, model), transitions_in(connection, model)
    after(before, history, asked)
    return before


def _standing(connection: sa.Connection, model: str, state: After) -> dict[str, Any]:
    """What answers from now on, with the digests of its bytes."""
    table, numbers = tables.versions.c, [n for n in (state.live, state.challenger) if n is not None]
    rows = connection.execute(
        sa.select(table.number, table.digest).where((table.model == model) & table.number.in_(numbers))
    )
    digests: dict[int | None, str] = {row.number: row.digest for row in rows}
    return {
        "bundle": digests.get(state.live),
        "advice": state.advice,
        "challenger": state.challenger,
        "stage": state.stage,
        "share": state.share,
        "challenger_bundle": digests.get(state.challenger),
    }


def _rollout(history: list[Transition]) -> Rollout:
    last = history[-1]
    return Rollout(
        last.model, last.to_version, previous(history), last.sequence, last.at,
        last.advice, last.challenger, last.stage, last.share,
    )  # fmt: skip


def _require_evidence(
    connection: sa.Connection, version: Version, verdict: str | None, history: list[Transition]
) -> None:
    """A passed verdict about exactly this version, made since it was last retired, and the approvals it needs."""
    record = _passed(connection, version, verdict)
    gone = retired(history).get(version.number)
    if gone is not None and record.at <= gone.at:
        raise Refused(
            f"Version {version.number} of model '{version.model}' was retired by {gone.by} after verdict "
            f"{record.digest[:12]} was made: ask for a new one with `outlast gate {version}`"
        )
    approvals.require(connection, version, record)


def _passed(connection: sa.Connection, version: Version, verdict: str | None) -> verdicts.Record:
    what = f"Version {version.number} of model '{version.model}' cannot go live"
    if verdict is None:
        raise Refused(f"{what} without a verdict: `outlast promote {version}` asks for one")
    row = verdicts.read(connection, verdict)
    if row is None:
        raise NotFound(f"{what} on verdict {verdict[:12]}, which is not in the ledger: ask for a new verdict")
    if (row.model, row.number) != (version.model, version.number):
        whose = f"version {row.number} of model '{row.model}'"
        raise Refused(f"{what} on verdict {verdict[:12]}, which is about {whose}: ask for one about this version")
    if not row.whole:
        raise Refused(
            f"{what} on verdict {verdict[:12]}, which was edited after it was written: "
            f"`outlast promote {version}` asks for a new one, `outlast doctor` looks for more"
        )
    if not row.passed:
        raise Refused(f"{what}: it did not pass verdict {verdict[:12]}; see why with `outlast show {version}`")
    return row


def _write(connection: sa.Connection, now: Rollout) -> None:
    table = tables.rollouts
    if now.sequence == 1:
        connection.execute(sa.insert(table).values(vars(now)))
    else:
        connection.execute(sa.update(table).where(table.c.model == now.model).values(vars(now)))


def _overtaken(now: Rollout, history: list[Transition], expected: int) -> Conflict:
    who = f" by {history[-1].by}: {history[-1].action} to version {history[-1].to_version}" if history else ""
    return Conflict(
        f"What is live of model '{now.model}' has changed since you looked ({now.sequence}, not {expected}){who}. "
        f"Look again with: outlast history {now.model}",
        details={"sequence": now.sequence, "live": now.live},
    )
