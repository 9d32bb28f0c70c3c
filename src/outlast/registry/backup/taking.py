"""Taking a backup while servers answer and the tick seals: nothing is stopped, and nothing it names is missing.

The order is what makes it whole. The ledger first, in one transaction: what it names was written before it. Then fresh
values, and the log before the tables, so that a segment sealed meanwhile is in both and never in neither; a segment's
rows are taken once, by its id. The artifacts last: they are written before they are registered.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.backup import rows
from outlast.registry.backup.box import Box, writing
from outlast.storage.fresh import FreshValues
from outlast.storage.ledger import Ledger, schema
from outlast.types import utc

MARK = "backup"
WORKSPACE = "workspace"
"""What the audit trail calls the whole; no model is meant."""


class Watcher(Protocol):
    """Somebody who is told when a step begins and ends."""

    def begins(self, step: str) -> None: ...

    def ends(self, step: str, seconds: float) -> None: ...


@dataclass(frozen=True)
class Backup:
    """A backup that was taken: where, what is in it, and the digest that stands for all of it."""

    target: str
    digest: str
    at: datetime
    bytes: int
    files: int
    tables: int
    artifacts: int
    audit: int
    left_out: list[str]


def backup(workspace: Workspace, target: Path, *, by: str, now: datetime, watcher: Watcher | None = None) -> Backup:
    """Copy a workspace's ledger, fresh values, log, tables and artifacts into a new archive (.tar) or folder."""
    ledger, told, left_out = workspace.ledger, _about(workspace, now), _elsewhere(workspace)
    with writing(target) as box:
        with step("ledger", watcher):
            told |= _ledger(ledger, box)
        with step("fresh values", watcher):
            _fresh(workspace, box)
        with step("log", watcher):
            _log(workspace, box)
        with step("tables", watcher):
            told["tables"] = {name: _table(workspace, name, box) for name in workspace.tables.names()}
        with step("artifacts", watcher):
            kept = workspace.artifacts.digests()
            for digest in kept:
                _file(box, f"artifacts/{digest}", workspace.artifacts.path(digest))
        size = sum(about["bytes"] for about in box.files.values())
        digest = box.close({**told, "left_out": left_out})
    head = told["audit"]["seq"]
    place = str(target.absolute())
    taken = Backup(place, digest, utc(now), size, len(box.files), len(told["tables"]), len(kept), head, left_out)
    _note(ledger, taken, by)
    return taken


def last(ledger: Ledger) -> dict[str, Any] | None:
    """The newest backup that was taken of a workspace: where, when, its digest."""
    with ledger.read() as connection:
        value = connection.scalar(sa.select(schema.marks.c.value).where(schema.marks.c.name == MARK))
    return None if value is None else dict(value)


@contextmanager
def step(name: str, watcher: Watcher | None) -> Iterator[None]:
    """Tell when something begins and ends."""
    start = time.perf_counter()
    if watcher is not None:
        watcher.begins(name)
    yield
    if watcher is not None:
        watcher.ends(name, time.perf_counter() - start)


def _about(workspace: Workspace, now: datetime) -> dict[str, Any]:
    return {
        "at": utc(now).isoformat(),
        "outlast": version("outlast"),
        "workspace": workspace.name,
        "environment": workspace.settings.environment,
        "ledger": schema.HEAD,
    }


def _elsewhere(workspace: Workspace) -> list[str]:
    """What a backup does not hold, in words; people plan with it."""
    found = ["the project's own files", "MLflow, which the tick fills again"]
    return found if isinstance(workspace.fresh, FreshValues) else [*found, "fresh values in Redis"]


def _ledger(ledger: Ledger, box: Box) -> dict[str, Any]:
    """Every table in one transaction, and the head of the audit trail in it."""
    with ledger.read() as connection:
        for table in rows.TABLES:
            with tempfile.TemporaryFile() as spooled:
                rows.write(connection, table, spooled)
                size = spooled.tell()
                spooled.seek(0)
                box.add(f"ledger/{table.name}.jsonl", spooled, size)
        trail = schema.audit.c
        newest = connection.execute(sa.select(trail.seq, trail.digest).order_by(trail.seq.desc()).limit(1)).first()
    return {"audit": {"seq": newest.seq, "digest": newest.digest} if newest else {"seq": 0, "digest": audit.FIRST}}


def _fresh(workspace: Workspace, box: Box) -> None:
    fresh = workspace.fresh
    if isinstance(fresh, FreshValues) and fresh.path.exists():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "fresh.db")
            fresh.copy_to(copy)
            _file(box, "fresh.db", copy)


def _log(workspace: Workspace, box: Box) -> None:
    """Every segment as far as it is written; one that goes meanwhile is in its table, which is copied later."""
    for path in sorted(workspace.log_root.rglob("*.log")):
        try:
            box.add_bytes(f"log/{path.relative_to(workspace.log_root).as_posix()}", path.read_bytes())
        except FileNotFoundError:
            continue


def _table(workspace: Workspace, name: str, box: Box) -> int:
    found = workspace.tables.pinned(name)
    for file in found.files:
        with workspace.tables.opened(name, file) as (stream, size):
            box.add(f"tables/{name}.delta/{file}", stream, size)
    return found.version


def _file(box: Box, name: str, path: Path) -> None:
    with path.open("rb") as stream:
        box.add(name, stream, path.stat().st_size)


def _note(ledger: Ledger, taken: Backup, by: str) -> None:
    value = {"target": taken.target, "digest": taken.digest, "at": taken.at.isoformat(), "bytes": taken.bytes}
    with ledger.write() as connection:
        marks, values = schema.marks, {"value": value, "at": taken.at}
        if not connection.execute(sa.update(marks).where(marks.c.name == MARK).values(values)).rowcount:
            connection.execute(sa.insert(marks).values(name=MARK, **values))
        audit.record(connection, actor=by, action="backup", object=WORKSPACE, detail=value, at=taken.at)
