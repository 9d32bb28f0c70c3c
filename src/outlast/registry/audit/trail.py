"""Writing the trail, and reading it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from outlast.registry.audit import telling
from outlast.storage.ledger import Ledger, Outside, after_commit, lock, outside_of
from outlast.storage.ledger.schema import audit, marks
from outlast.types import FORMAT, digest_of, identity, utc

FIRST = "0" * 64
"""What the first entry has as the digest of the one before it."""

HEAD = "audit-head"
TRANSITION = "transition"
HOW = (
    "digest is the SHA-256, in hexadecimal, of the JSON text of [1, seq, at, actor, action, object, detail, previous]: "
    "UTF-8, no spaces, keys sorted, at in UTC as 2024-01-31T12:00:00+00:00 with microseconds where there are any, "
    "numbers as they stand here. previous is the digest of the entry before; of entry 1 it is 64 zeros. An export of "
    "all entries is whole when every digest is right and follows the one before, and the last one is the last that "
    "was noted outside the database (audit-heads.jsonl)."
)
"""How an export is verified without this program."""

EVIDENCE = "evidence"
"""Which digest the figures and the lineage of a version have; entries of the first release do not say."""

NOTED = "noted"
"""Which file outside the database holds an entry's digest."""

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

    def said(self) -> dict[str, Any]:
        """Its detail, without what every entry has."""
        return {name: value for name, value in self.detail.items() if name not in ("identity", NOTED)}


def record(
    connection: sa.Connection, *, actor: str, action: str, object: str, detail: dict[str, Any], at: datetime
) -> Entry:
    """Add an entry in the caller's write transaction; call it last, because other writers wait from here on."""
    lock(connection, HEAD)  # on PostgreSQL, the order of locks: whatever the caller holds, then this one
    seq, previous = _last(connection)
    outside = outside_of(connection)
    noted = {} if outside is None else {NOTED: outside.name()}
    plain = msgspec.json.decode(msgspec.json.encode({**detail, "identity": identity(actor), **noted}))
    who = (plainly(actor), action, object)
    entry = Entry(seq + 1, utc(at), *who, plain, previous, _digest(seq + 1, utc(at), who, plain, previous))
    connection.execute(sa.insert(audit).values(vars(entry)))
    kept = {"seq": entry.seq, "digest": entry.digest}
    if seq:
        connection.execute(sa.update(marks).where(marks.c.name == HEAD).values(value=kept, at=entry.at))
    else:
        connection.execute(sa.insert(marks).values(name=HEAD, value=kept, at=entry.at))
    if outside is not None:
        _note(connection, outside, entry)
    return entry


def _note(connection: sa.Connection, outside: Outside, entry: Entry) -> None:
    """Note an entry before it is committed, so that one that was put in is told apart, and again when it is kept."""
    at = entry.at.isoformat()
    outside.note(entry.seq, entry.digest, at, "written")
    after_commit(connection, HEAD, partial(telling.kept, outside, entry.seq, entry.digest, at))


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


def every(connection: sa.Connection) -> Iterator[Entry]:
    """The whole trail, a page at a time."""
    last = -(2**62)  # numbers below one are nobody's but a forger's
    while page := connection.execute(
        sa.select(audit).where(audit.c.seq > last).order_by(audit.c.seq).limit(_PAGE)
    ).all():
        yield from map(_entry, page)
        last = page[-1].seq


def approved(connection: sa.Connection, model: str, sequence: int) -> Entry | None:
    """The entry of a transition, if it is whole and the one after it follows it; None where it cannot be trusted."""
    of = (audit.c.action == TRANSITION) & (audit.c.object == model)
    rows = connection.execute(sa.select(audit).where(of).order_by(audit.c.seq.desc()))
    found = next((one for one in map(_entry, rows) if one.detail.get("sequence") == sequence), None)
    if found is None or found.digest != found.expected():
        return None
    after = connection.scalar(sa.select(audit.c.previous).where(audit.c.seq == found.seq + 1))
    if after is None:
        kept = connection.scalar(sa.select(marks.c.value).where(marks.c.name == HEAD)) or {}
        after = kept.get("digest")
    return found if after == found.digest else None


def plainly(text: str) -> str:
    """Text that every database and JSON can keep."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")


def transition_of(row: Any) -> dict[str, Any]:
    """What the trail says of a row of transitions."""
    return {**{name: getattr(row, name) for name in (*_SAID, *_UNSAID)}, "at": utc(row.at).isoformat()}


def evidence_of(version: Any) -> str:
    """The digest of what a version's row says of it: its figures, its lineage, and who made it."""
    return digest_of({"summary": version.summary, "lineage": version.lineage, "created_by": version.created_by})


def says_of_transition(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same from an entry, which may be of the first release."""
    return {**_UNSAID, **said}


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
