"""Fresh values that nobody can ask for: facts beyond every lookup's reach, and lookups that no version reads."""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from outlast.bundle.ingest import oldest_needed
from outlast.features.compiled import CompiledLookup
from outlast.gates.refill import backfill
from outlast.monitoring.counting.windows import Hold
from outlast.project.workspace import Workspace
from outlast.registry.letting_out import DROP_SECONDS, DROPPING, forget_run_out
from outlast.registry.servable import Servable, lookups_of, lookups_read, servable
from outlast.registry.unread import unread
from outlast.storage.ledger import leases
from outlast.types import Clock, counted, micros, moment


@dataclass(frozen=True)
class Forgotten:
    """How many facts no lookup could reach, and which lookups were dropped, each with the version that read it last."""

    facts: int
    dropped: dict[str, str]
    facts_dropped: int

    @property
    def sentence(self) -> str:
        said = [f"forgot {counted(self.facts, 'fact')} that no lookup can reach"] if self.facts else []
        if self.dropped:
            of = ", ".join(sorted(set(self.dropped.values())))
            facts = counted(self.facts_dropped, "fact")
            said.append(f"dropped {counted(len(self.dropped), 'lookup')} with {facts} that only {of} read")
        return "; ".join(said) or "nothing to forget"


def forget(workspace: Workspace, *, clock: Clock, hold: Hold) -> Forgotten:
    """Forget what no question asked from now on can need; each entity keeps its newest facts where those count."""
    now = clock()
    forget_run_out(workspace.ledger, now=now)
    read = lookups_read(workspace, servable(workspace.ledger, now=now))
    facts = sum(_pruned(workspace, lookup, now, hold) for lookup in read.values())
    dropped: dict[str, str] = {}
    lost = 0
    for digest, version in unread(workspace, now=now, remember=True).ours.items():
        hold()
        count = _dropped(workspace, digest, clock)
        if count is not None:
            dropped[digest] = version
            lost += count
    return Forgotten(facts, dropped, lost)


def _pruned(workspace: Workspace, lookup: CompiledLookup, now: datetime, hold: Hold) -> int:
    """Counted from the newest fact, not from the clock: a feed that stands still loses nothing.

    A fact dated in the future, by a wrong clock, does not push the others out.
    """
    hold()
    newest = workspace.fresh.newest(lookup.digest, until=micros(now))
    if newest is None:
        return 0
    return workspace.fresh.prune(lookup.digest, micros(moment(newest) - oldest_needed(lookup)), lookup.rows)


def _dropped(workspace: Workspace, digest: str, clock: Clock) -> int | None:
    """Drop a lookup that nobody reads, and say how many facts it had; None where somebody reads it by now.

    Who lets a version out waits for this note, and we look for theirs after writing ours. Should we have stood still
    for so long that the note ran out, what was filled meanwhile is filled again.
    """
    ledger, fresh = workspace.ledger, workspace.fresh
    name, holder = f"{DROPPING}/{digest}", uuid4().hex
    if not leases.acquire(ledger, name, holder, DROP_SECONDS, clock()):
        return None
    try:
        if _readers(workspace, digest, clock()):
            return None
        count = fresh.count(digest)
        fresh.drop(digest)
        for reader in _readers(workspace, digest, clock()):
            backfill(workspace, reader.model, now=clock())
        return count
    finally:
        leases.release(ledger, name, holder)


def _readers(workspace: Workspace, digest: str, now: datetime) -> list[Servable]:
    versions = servable(workspace.ledger, now=now)
    return [one for one in versions if digest in {lookup.digest for lookup in lookups_of(workspace, one.digest)}]
