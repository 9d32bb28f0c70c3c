"""Whether the ledger's other tables say what the trail says of them."""

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from outlast.registry import verdicts
from outlast.registry.audit.trail import (
    EVIDENCE,
    TRANSITION,
    Entry,
    every,
    evidence_of,
    says_of_transition,
    transition_of,
)
from outlast.storage.ledger import schema as tables
from outlast.types import digest_of, utc

Wrong = tuple[int, str]
"""The number of the entry in question, 0 where there is none, and the sentence."""

_STATE = {"live": "to_version", **{name: name for name in ("sequence", "advice", "challenger", "stage", "share")}}


def disagreement(connection: sa.Connection) -> Wrong | None:
    """The first row that says otherwise than the trail, that the trail does not know, or that is gone."""
    trail = list(every(connection))
    return next((wrong for look in _LOOKS for wrong in look(connection, trail)), None)


def _transitions(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    written = {(one.object, one.detail["sequence"]): one for one in trail if one.action == TRANSITION}
    table = tables.transitions
    last: dict[str, Any] = {}
    for row in connection.execute(sa.select(table).order_by(table.c.model, table.c.sequence)):
        entry, what = written.pop((row.model, row.sequence), None), f"Transition {row.sequence} of model '{row.model}'"
        if entry is None:
            yield 0, f"{what} is not in the trail: it was put in"
        elif transition_of(row) != says_of_transition(entry.said()):
            yield entry.seq, f"{what} says otherwise than audit entry {entry.seq}: somebody edited it"
        last[row.model] = row
    for (model, sequence), entry in written.items():
        what = f"of audit entry {entry.seq} is missing: somebody removed it"
        yield entry.seq, f"Transition {sequence} of model '{model}' {what}"
    yield from _rollouts(connection, last)


def _rollouts(connection: sa.Connection, last: dict[str, Any]) -> Iterator[Wrong]:
    for row in connection.execute(sa.select(tables.rollouts)):
        step = last.pop(row.model, None)
        if step is None or row.live != step.to_version:
            yield (
                0,
                (
                    f"Model '{row.model}' has version {row.live} live, which no transition made so: "
                    "somebody edited the rollout"
                ),
            )
        odd = [name for name, said in _STATE.items() if step is not None and getattr(row, name) != getattr(step, said)]
        if odd:
            what = f"has another {odd[0]} than its last transition made"
            yield 0, f"The rollout of model '{row.model}' {what}: somebody edited it"
    for model, step in last.items():
        what = f"version {step.to_version} was live" if step.to_version is not None else "nothing was live"
        yield 0, f"Model '{model}' has lost its rollout, {what}: somebody removed it"


def _approvals(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    said = [(one, one.detail["approval"]) for one in trail if "approval" in one.detail]
    for row in connection.execute(sa.select(tables.approvals).order_by(tables.approvals.c.id)):
        kept = {name: value for name, value in row._mapping.items() if name != "id"}
        plain = {**kept, "at": utc(row.at).isoformat()}
        found = next((one for one in said if one[1] == plain), None)
        if found is None:
            what = f"What {row.by} said about version {row.number} of model '{row.model}' ({row.decision})"
            yield 0, f"{what} is not what the trail has: it was put in or edited"
        else:
            said.remove(found)
    for entry, one in said:
        what = f"What {one['by']} said about version {one['number']} of model '{one['model']}'"
        yield entry.seq, f"{what}, audit entry {entry.seq}, is missing: somebody removed or edited it"


def _tokens(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    made = {one.object: one for one in trail if one.action == "create token"}
    ended = {one.object: one for one in trail if one.action == "revoke token"}
    for row in connection.execute(sa.select(tables.tokens).order_by(tables.tokens.c.id)):
        name, expires = f"token {row.id}", None if row.expires_at is None else utc(row.expires_at).isoformat()
        entry, end = made.pop(name, None), ended.pop(name, None)
        if entry is None:
            yield 0, f"Token {row.id} is not in the trail: it was put in"
            continue
        now = {"name": row.name, "roles": row.roles, "models": row.models, "expires_at": expires, "digest": row.digest}
        if now != entry.said() or row.created_by != entry.actor:
            yield entry.seq, f"Token {row.id} says otherwise than audit entry {entry.seq}: somebody edited it"
        if (row.revoked_at is None) != (end is None):
            was = "was revoked" if end is not None else "was never revoked"
            yield (end or entry).seq, f"Token {row.id} {was}, and the ledger says otherwise: somebody edited it"
    for name, entry in made.items():
        yield entry.seq, f"{name.capitalize()} of audit entry {entry.seq} is missing: somebody removed it"


def _contracts(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    applied = {one.object: one for one in trail if one.action == "apply" and "after" in one.detail}
    for row in connection.execute(sa.select(tables.models).where(tables.models.c.live_contract.is_not(None))):
        entry, digest = applied.get(row.name), digest_of(row.live_contract)
        if entry is None or not digest == row.live_digest == entry.detail["after"]:
            seq = 0 if entry is None else entry.seq
            yield seq, f"The contract in force of model '{row.name}' is not what was applied: somebody edited it"


def _verdicts(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    """Whether the verdicts say what they said when they were written, and none is missing that let a version out."""
    kept = verdicts.every(connection)
    for one in kept:
        if not one.whole:
            what = f"Verdict {one.digest[:12]} about version {one.number} of model '{one.model}'"
            yield 0, f"{what} does not say what it said when it was written: somebody edited it"
    known, table = {one.digest for one in kept}, tables.transitions
    for row in connection.execute(sa.select(table).where(table.c.verdict_digest.is_not(None)).order_by(table.c.id)):
        if row.verdict_digest not in known:
            number = row.version if row.version is not None else row.to_version
            what = f"Verdict {row.verdict_digest[:12]}, which let version {number} of model '{row.model}' out"
            yield 0, f"{what}, is missing: somebody removed or edited it"


def _versions(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    made = {(one.object, one.detail["number"]): one for one in trail if one.action == "register"}
    table = tables.versions
    for row in connection.execute(sa.select(table).order_by(table.c.model, table.c.number)):
        entry, what = made.pop((row.model, row.number), None), f"Version {row.number} of model '{row.model}'"
        if entry is None:
            yield 0, f"{what} is not in the trail: it was put in"
            continue
        said = entry.detail
        if (row.digest, row.code_digest, row.task) != (said["digest"], said["code_digest"], said["task"]):
            yield entry.seq, f"{what} says otherwise than audit entry {entry.seq}: somebody edited it"
        if said.get(EVIDENCE, evidence_of(row)) != evidence_of(row):
            parts = "its figures, its lineage or who made it"
            yield entry.seq, f"{what} has other evidence than audit entry {entry.seq} noted: somebody edited {parts}"
    for (model, number), entry in made.items():
        what = f"Version {number} of model '{model}', audit entry {entry.seq}"
        yield entry.seq, f"{what}, is missing: somebody removed it"


def _accepted(connection: sa.Connection, trail: list[Entry]) -> Iterator[Wrong]:
    """Whether what counts as normal is what somebody accepted."""
    said = [one for one in trail if one.action == "accept incident"]
    for row in connection.execute(sa.select(tables.accepted).order_by(tables.accepted.c.id)):
        kept = row.detail or {}
        streams = [f"{kind} {column or ''}".strip() for kind, column in kept.get("streams", ())]
        now = (row.model, row.by, row.incident, row.reason, kept.get("since"), kept.get("level"), streams)
        found = next((one for one in said if now == _says_of_acceptance(one)), None)
        if found is None:
            what = f"What {row.by} accepted as normal of model '{row.model}'"
            yield 0, f"{what} is not what the trail has: it was put in or edited"
        else:
            said.remove(found)
    for one in said:
        what = f"of model '{one.object}', audit entry {one.seq}, is missing"
        yield one.seq, f"What {one.actor} accepted as normal {what}: somebody removed or edited it"


def _says_of_acceptance(entry: Entry) -> tuple[Any, ...]:
    detail = (entry.detail.get(name) for name in ("incident", "reason", "since", "level", "streams"))
    return (entry.object, entry.actor, *detail)


_Look = Callable[[sa.Connection, list[Entry]], Iterator[Wrong]]
_LOOKS: tuple[_Look, ...] = (_transitions, _versions, _approvals, _tokens, _contracts, _verdicts, _accepted)
