"""The audit trail: each entry holds the digest of the one before it, so that no later change goes unseen.

An entry is written in the same transaction as what it tells of. `verify` finds an entry that was edited, removed or
put in, at the end too, transitions or rollouts that no longer say what the trail says, and verdicts that no longer say
what they said. Somebody who may write the whole database can forge a whole new trail: note the digest of `head`
elsewhere, and give it to `verify` as `known`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from outlast.registry import verdicts
from outlast.storage.ledger import Ledger, lock
from outlast.storage.ledger.schema import audit, marks, rollouts, transitions
from outlast.types import FORMAT, digest_of, identity, utc

FIRST = "0" * 64
"""What the first entry has as the digest of the one before it."""

HEAD = "audit-head"
TRANSITION = "transition"
_PAGE = 1000
_SAID = ("sequence", "action", "from_version", "to_version", "by", "reason", "verdict_digest")
_UNSAID = {"version": None, "bundle": None, "advice": False, "challenger": None, "stage": None, "share": None,
           "challenger_bundle": None}  # fmt: skip
"""What entries of the first release do not say of a transition, and what was so then."""


@dataclass(frozen=True)
class Entry:
    """One thing that was done: by whom, to what, and how."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    previous: str
    digest: str

    def expected(self) -> str:
        """The digest this entry must have for what it says."""
        return _digest(self.seq, self.at, (self.actor, self.action, self.object), self.detail, self.previous)


@dataclass(frozen=True)
class Broken:
    """The first place where the trail cannot be trusted, and why."""

    seq: int
    sentence: str


def record(
    connection: sa.Connection, *, actor: str, action: str, object: str, detail: dict[str, Any], at: datetime
) -> Entry:
    """Add an entry in the caller's write transaction; call it last, because other writers wait from here on."""
    lock(connection, HEAD)  # on PostgreSQL, the order of locks: whatever the caller holds, then this one
    seq, previous = _last(connection)
    plain = msgspec.json.decode(msgspec.json.encode({**detail, "identity": identity(actor)}))
    who = (plainly(actor), action, object)
    entry = Entry(seq + 1, utc(at), *who, plain, previous, _digest(seq + 1, utc(at), who, plain, previous))
    connection.execute(sa.insert(audit).values(vars(entry)))
    head = {"seq": entry.seq, "digest": entry.digest}
    if seq:
        connection.execute(sa.update(marks).where(marks.c.name == HEAD).values(value=head, at=entry.at))
    else:
        connection.execute(sa.insert(marks).values(name=HEAD, value=head, at=entry.at))
    return entry


def entries(
    ledger: Ledger, *, object: str | None = None, since: datetime | None = None, limit: int | None = None
) -> list[Entry]:
    """Entries in the order they were written, the newest `limit` of them; of one object, or since a moment."""
    query = sa.select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if object is not None:
        query = query.where(audit.c.object == object)
    if since is not None:
        query = query.where(audit.c.at >= utc(since))
    with ledger.read() as connection:
        return [_entry(row) for row in connection.execute(query)][::-1]


def head(ledger: Ledger) -> Entry | None:
    """The newest entry: its digest stands for the whole trail."""
    newest = entries(ledger, limit=1)
    return newest[0] if newest else None


def verify(ledger: Ledger, *, known: str | None = None) -> Broken | None:
    """The first thing wrong with the trail, None when it is whole.

    `known` is the digest of an entry noted earlier, which must still be in the trail.
    """
    with ledger.read() as connection:
        written: dict[tuple[str, int], Entry] = {}
        before, found = Entry(0, utc(datetime.min), "", "", "", {}, "", FIRST), known is None
        for entry in _all(connection):
            broken = _follows(entry, before)
            if broken:
                return broken
            before, found = entry, found or entry.digest == known
            if entry.action == TRANSITION:
                written[entry.object, entry.detail["sequence"]] = entry
        broken = _ends(connection, before) or _known(found, known, before) or _agrees(connection, written)
        return broken or _proven(connection)


def plainly(text: str) -> str:
    """Text that every database and JSON can keep."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")


def transition_of(row: Any) -> dict[str, Any]:
    """What the trail says of a row of transitions."""
    return {**{name: getattr(row, name) for name in (*_SAID, *_UNSAID)}, "at": utc(row.at).isoformat()}


def _last(connection: sa.Connection) -> tuple[int, str]:
    newest = connection.execute(sa.select(audit.c.seq, audit.c.digest).order_by(audit.c.seq.desc()).limit(1))
    row = newest.one_or_none()
    kept = connection.scalar(sa.select(marks.c.value).where(marks.c.name == HEAD))
    # After a deletion at the end the numbers go on from what was there, so that the hole stays to be seen.
    if kept is not None and (row is None or row.seq < kept["seq"]):
        return kept["seq"], kept["digest"]
    return (row.seq, row.digest) if row is not None else (0, FIRST)


def _digest(seq: int, at: datetime, who: tuple[str, str, str], detail: dict[str, Any], previous: str) -> str:
    return digest_of([FORMAT, seq, utc(at).isoformat(), *who, detail, previous])


def _entry(row: Any) -> Entry:
    return Entry(**row._mapping)


def _all(connection: sa.Connection) -> Iterator[Entry]:
    last = -(2**62)  # numbers below one are nobody's but a forger's
    while page := connection.execute(
        sa.select(audit).where(audit.c.seq > last).order_by(audit.c.seq).limit(_PAGE)
    ).all():
        yield from map(_entry, page)
        last = page[-1].seq


def _follows(entry: Entry, before: Entry) -> Broken | None:
    if entry.seq < 1:
        return Broken(entry.seq, f"Audit entry {entry.seq} was put in: the numbers of a trail begin at 1")
    if entry.seq != before.seq + 1:
        gone = f"{before.seq + 1}" if entry.seq == before.seq + 2 else f"{before.seq + 1} to {entry.seq - 1}"
        return Broken(before.seq + 1, f"Audit entry {gone} is missing: somebody removed it from the ledger")
    if entry.previous != before.digest:
        what = "does not follow the entry before it: one of the two was put in or exchanged"
        return Broken(entry.seq, f"Audit entry {entry.seq} ({entry.action} of {entry.object}) {what}")
    if entry.digest != entry.expected():
        what = "does not say what it said when it was written: somebody edited it"
        return Broken(entry.seq, f"Audit entry {entry.seq} ({entry.action} of {entry.object}) {what}")
    return None


def _ends(connection: sa.Connection, last: Entry) -> Broken | None:
    kept = connection.scalar(sa.select(marks.c.value).where(marks.c.name == HEAD)) or {"seq": 0, "digest": FIRST}
    if (kept["seq"], kept["digest"]) == (last.seq, last.digest):
        return None
    place = min(kept["seq"], last.seq) + 1
    what = "is missing at the end of the trail" if kept["seq"] > last.seq else "was put in at the end of the trail"
    return Broken(place, f"Audit entry {place} {what}: the ledger noted {kept['seq']} entries and has {last.seq}")


def _known(found: bool, known: str | None, last: Entry) -> Broken | None:
    if found:
        return None
    return Broken(last.seq, f"The trail has no entry with the digest {known} noted earlier: it was written anew")


def _agrees(connection: sa.Connection, written: dict[tuple[str, int], Entry]) -> Broken | None:
    """Whether transitions and rollouts say what the trail says."""
    live: dict[str, int | None] = {}
    for row in connection.execute(sa.select(transitions).order_by(transitions.c.model, transitions.c.sequence)):
        entry = written.pop((row.model, row.sequence), None)
        if entry is None:
            return Broken(0, f"Transition {row.sequence} of model '{row.model}' is not in the trail: it was put in")
        if {**transition_of(row), "identity": entry.detail.get("identity")} != {**_UNSAID, **entry.detail}:
            what = f"says otherwise than audit entry {entry.seq}: somebody edited it"
            return Broken(entry.seq, f"Transition {row.sequence} of model '{row.model}' {what}")
        live[row.model] = row.to_version
    for (model, sequence), entry in written.items():
        what = f"of audit entry {entry.seq} is missing: somebody removed it"
        return Broken(entry.seq, f"Transition {sequence} of model '{model}' {what}")
    for row in connection.execute(sa.select(rollouts)):
        if row.live != live.pop(row.model, None):
            what = f"has version {row.live} live, which no transition made so"
            return Broken(0, f"Model '{row.model}' {what}: somebody edited the rollout")
    for model, version in live.items():
        if version is not None:
            return Broken(0, f"Model '{model}' has lost its rollout, version {version} was live: somebody removed it")
    return None


def _proven(connection: sa.Connection) -> Broken | None:
    """Whether the verdicts say what they said when they were written, and none is missing that let a version out."""
    kept = verdicts.every(connection)
    for one in kept:
        if not one.whole:
            what = f"Verdict {one.digest[:12]} about version {one.number} of model '{one.model}'"
            return Broken(0, f"{what} does not say what it said when it was written: somebody edited it")
    known = {one.digest for one in kept}
    named = sa.select(transitions).where(transitions.c.verdict_digest.is_not(None)).order_by(transitions.c.id)
    for row in connection.execute(named):
        if row.verdict_digest not in known:
            what = f"Verdict {row.verdict_digest[:12]}, which let version {row.to_version} of model '{row.model}' out"
            return Broken(0, f"{what}, is missing: somebody removed or edited it")
    return None
