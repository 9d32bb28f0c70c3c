"""Looking for the first place where the trail cannot be trusted.

Found are: an entry that was edited, removed or put in, at the end too; a trail that was written anew, by what was noted
outside the database; rows that no longer say what the trail says of them; verdicts that no longer say what they said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from outlast.errors import StorageError
from outlast.registry.audit import telling
from outlast.registry.audit.rows import disagreement
from outlast.registry.audit.trail import FIRST, HEAD, NOTED, Entry, every
from outlast.storage.ledger import Ledger, Outside
from outlast.storage.ledger.outside import Note
from outlast.storage.ledger.schema import marks
from outlast.types import counted, utc


@dataclass(frozen=True)
class Broken:
    """The first place where the trail cannot be trusted, and why."""

    seq: int
    sentence: str


@dataclass(frozen=True)
class Report:
    """What was looked at, what is wrong, and what is not wrong but should be known."""

    broken: Broken | None
    entries: int
    head: str | None
    noted: int
    remarks: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    """What could not be noted or told outside."""


@dataclass
class _Noted:
    """What was noted outside: entries that may be there, and entries that must be."""

    name: str | None = None
    written: dict[int, set[str]] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    where: str = ""

    @classmethod
    def of(cls, name: str | None, notes: Iterable[Note], where: str) -> "_Noted":
        found = cls(name, where=where)
        for note in notes:
            found.written.setdefault(note.seq, set()).add(note.digest)
            if note.state == "kept":
                found.kept[note.seq] = note.digest
        return found


def verify(ledger: Ledger, *, known: str | None = None) -> Broken | None:
    """The first thing wrong with the trail, None when it is whole.

    `known` is the digest of an entry noted earlier, which must still be in the trail.
    """
    return examine(ledger, known=known).broken


def examine(ledger: Ledger, *, known: str | None = None) -> Report:
    """The same with what was looked at. What a killed process left unnoted of a whole trail is noted now."""
    outside = ledger.outside
    # First the notes, then the trail: what was noted as kept is in every later state of it.
    name, notes, torn = (None, [], 0) if outside is None else outside.read()
    noted = _Noted.of(name, notes, "" if outside is None else str(outside.file))
    with ledger.read() as connection:
        broken, last, elsewhere = _chain(connection, noted)
        if broken is None and known is not None:
            broken = _known(connection, known, last)
        if broken is None:
            wrong = disagreement(connection)
            broken = None if wrong is None else Broken(*wrong)
    remarks = tuple(_remarks(noted, elsewhere, torn, last, with_file=outside is not None))
    whole = broken is None and outside is not None and last.seq > 0
    failed = tuple(_catch_up(outside, noted, last)) if whole and outside is not None else ()
    return Report(broken, last.seq, last.digest if last.seq else None, len(noted.written), remarks, failed)


def _chain(connection: sa.Connection, noted: _Noted) -> tuple[Broken | None, Entry, dict[str, int]]:
    before, begun = Entry(0, utc(datetime.min), "", "", "", {}, "", FIRST), False
    elsewhere: dict[str, int] = {}
    for entry in every(connection):
        broken = _follows(entry, before) or _noted_alike(entry, noted, begun)
        if broken:
            return broken, before, elsewhere
        file = entry.detail.get(NOTED)
        begun = begun or file is not None
        if file is not None and file != noted.name:
            elsewhere[file] = elsewhere.get(file, 0) + 1
        before = entry
    return _ends(connection, before) or _cut(noted, before), before, elsewhere


def _follows(entry: Entry, before: Entry) -> Broken | None:
    if entry.seq < 1:
        return Broken(entry.seq, f"Audit entry {entry.seq} was put in: the numbers of a trail begin at 1")
    if entry.seq != before.seq + 1:
        gone = f"{before.seq + 1}" if entry.seq == before.seq + 2 else f"{before.seq + 1} to {entry.seq - 1}"
        return Broken(before.seq + 1, f"Audit entry {gone} is missing: somebody removed it from the ledger")
    if entry.previous != before.digest:
        what = "does not follow the entry before it: one of the two was put in or exchanged"
        return Broken(entry.seq, f"{_called(entry)} {what}")
    if entry.digest != entry.expected():
        what = "does not say what it said when it was written: somebody edited it"
        return Broken(entry.seq, f"{_called(entry)} {what}")
    return None


def _noted_alike(entry: Entry, noted: _Noted, begun: bool) -> Broken | None:
    """Whether an entry is one that was noted outside, where it says so or was."""
    if entry.seq in noted.kept and noted.kept[entry.seq] != entry.digest:
        return Broken(
            entry.seq, f"{_called(entry)} is not the one whose digest {noted.where} has: the trail was written anew"
        )
    file = entry.detail.get(NOTED)
    if file is None and begun:
        return Broken(entry.seq, f"{_called(entry)} was put in: it does not say where it was noted, as those before do")
    if noted.name is not None and file == noted.name and entry.digest not in noted.written.get(entry.seq, set()):
        return Broken(entry.seq, f"{_called(entry)} was put in: {noted.where} never had its digest")
    return None


def _ends(connection: sa.Connection, last: Entry) -> Broken | None:
    kept = connection.scalar(sa.select(marks.c.value).where(marks.c.name == HEAD)) or {"seq": 0, "digest": FIRST}
    if (kept["seq"], kept["digest"]) == (last.seq, last.digest):
        return None
    place = min(kept["seq"], last.seq) + 1
    what = "is missing at the end of the trail" if kept["seq"] > last.seq else "was put in at the end of the trail"
    return Broken(place, f"Audit entry {place} {what}: the ledger noted {kept['seq']} entries and has {last.seq}")


def _cut(noted: _Noted, last: Entry) -> Broken | None:
    most = max(noted.kept, default=0)
    if most <= last.seq:
        return None
    what = f"is missing at the end of the trail: {noted.where} knows {most} entries, the ledger has {last.seq}"
    return Broken(last.seq + 1, f"Audit entry {last.seq + 1} {what}")


def _known(connection: sa.Connection, known: str, last: Entry) -> Broken | None:
    if any(entry.digest == known for entry in every(connection)):
        return None
    return Broken(last.seq, f"The trail has no entry with the digest {known} noted earlier: it was written anew")


def _remarks(noted: _Noted, elsewhere: dict[str, int], torn: int, last: Entry, *, with_file: bool) -> Iterable[str]:
    if with_file and noted.name is None and last.seq:
        yield f"{noted.where} is not there, so nothing tells whether the end of the trail was cut before now"
    for file, count in elsewhere.items():
        yield f"{counted(count, 'entry', 'entries')} noted in another file ({file}): verify where that is, too"
    if torn:
        yield f"{counted(torn, 'line')} of {noted.where} cannot be read: a process ended while it wrote"


def _catch_up(outside: Outside, noted: _Noted, last: Entry) -> list[str]:
    said = []
    if last.seq not in noted.kept:
        try:
            outside.note(last.seq, last.digest, last.at.isoformat(), "written")
            outside.note(last.seq, last.digest, last.at.isoformat(), "kept")
        except StorageError as error:
            said.append(str(error))
    left = telling.told_of(outside, last.seq, last.digest, last.at)
    return [*said, *([left] if left else [])]


def _called(entry: Entry) -> str:
    return f"Audit entry {entry.seq} ({entry.action} of {entry.object})"
