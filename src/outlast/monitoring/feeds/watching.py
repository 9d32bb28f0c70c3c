"""Looking at the sources that a model declared, and raising what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outlast.bundle.predictor import open_bundle
from outlast.data.schema import Schema, from_json
from outlast.journal.sources import project_of
from outlast.monitoring.counting.marks import put_mark
from outlast.monitoring.counting.windows import Hold, starts_of
from outlast.monitoring.feeds.judging import judge_feed, limit_of, usual
from outlast.monitoring.feeds.looking import Look, look
from outlast.monitoring.feeds.memory import Came, Memory, mark, remembered, to_json
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.subject import Subject
from outlast.project.contract import Contract
from outlast.project.declare import Location, Source
from outlast.project.policies import stale_of
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.storage.ledger import schema as tables
from outlast.types import ModelRef, duration, utc

_T = tables.declarations.c
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Feed:
    """A source as people see it: how new, how old it may be, and how much of it came."""

    source: str
    model: str
    newest: datetime | None
    limit: timedelta | None
    declared: bool
    yesterday: int
    usual: float | None
    looked_at: datetime | None
    findings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; moments are ISO 8601, lengths of time in seconds."""
        plain = dict(vars(self))
        for name in ("newest", "looked_at"):
            plain[name] = None if plain[name] is None else plain[name].isoformat()
        plain["limit"] = None if self.limit is None else self.limit.total_seconds()
        return plain | {"findings": list(self.findings)}


def watch_feeds(workspace: Workspace, main: Subject, *, now: datetime, hold: Hold) -> tuple[int, int]:
    """Look at every source that a model declared; how many were looked at, and how many alerts are new."""
    looked = raised = 0
    for one, schema, location in _sources(workspace, main):
        hold()
        seen = look(workspace, one, schema, (location, remembered(workspace.ledger, one.name)), now)
        findings = judge_feed(seen, _declared(main.contract, one.name), now)
        scope = Scope(main.model, main.version, "day", starts_of(now, _DAY), starts_of(now, _DAY) + _DAY)
        with workspace.ledger.write() as connection:
            put_mark(connection, mark(one.name), to_json(seen.memory), now)
            raised += raise_findings(connection, scope, findings, main.contract, now)
        looked += 1
    return looked, raised


def feeds(workspace: Workspace, main: Subject, *, now: datetime) -> list[Feed]:
    """The sources that a model declared, as the last tick saw and found them; what is too old is judged by now."""
    found = []
    for one, _, _ in _sources(workspace, main):
        memory = remembered(workspace.ledger, one.name)
        found.append(_told(one, main, memory, now))
    return found


def _told(source: Source, main: Subject, memory: Memory, now: datetime) -> Feed:
    seen, declared = Look(source, memory), _declared(main.contract, source.name)
    limit, day = limit_of(seen, declared), utc(now).date() - _DAY
    known = usual(memory.days(), day)
    return Feed(
        source.name,
        main.model,
        memory.newest,
        None if limit is None else limit.age,
        declared is not None,
        memory.days().get(day, Came()).rows,
        None if known is None else known[0],
        memory.at,
        tuple(one.sentence for one in judge_feed(seen, declared, now)) if memory.at is not None else (),
    )


def _sources(workspace: Workspace, main: Subject) -> Iterator[tuple[Source, Schema, Location]]:
    """The sources whose name the model's project claimed; one that several models read is looked at once."""
    version = find(workspace.ledger, ModelRef(main.model, main.version))
    bundle = open_bundle(workspace, version.digest)
    query = sa.select(_T.name, _T.model).where(_T.kind == "source")
    with workspace.ledger.read() as connection:
        others = {row.name for row in connection.execute(query) if row.model != main.model}
    kept = bundle.manifest["sources"]
    if set(kept) <= others:
        return
    project = project_of(workspace, bundle)
    for source in project.model.sources:
        if source.name in kept and source.name not in others:
            schema = from_json(kept[source.name]["schema"])
            yield source, schema, workspace.location(source, project.folder)


def _declared(contract: Contract, source: str) -> timedelta | None:
    """How old the contract lets a source be: what the watch is told, else what answers are held to."""
    said = contract.monitoring.fresh.get(source)
    if said is None and source in contract.serving.stale:
        said = stale_of(contract.serving.stale[source])[0]
    return None if said is None else duration(said)
