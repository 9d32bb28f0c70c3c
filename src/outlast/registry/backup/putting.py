"""Putting a backup back: all of it is verified first, and the ledger, which names the rest, comes last.

A note beside the workspace says which backup is being put back. A restore that was killed is done again: what it wrote
is written over, and a workspace whose ledger is still empty has nothing that anybody could use.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from outlast.errors import Refused, StorageError
from outlast.project.workspace import FILE, Workspace
from outlast.registry import audit
from outlast.registry.backup import rows
from outlast.registry.backup.box import Kept, reading
from outlast.registry.backup.taking import WORKSPACE, Watcher, step
from outlast.settings import Settings
from outlast.storage.fresh import FreshValues
from outlast.storage.ledger import lock, schema
from outlast.types import counted, utc

NOTE = "restoring.json"


@dataclass(frozen=True)
class Restored:
    """A workspace that was put back: of when it is, where the old one went, and what to look at next."""

    root: str
    of: datetime
    digest: str
    models: list[str]
    tables: int
    artifacts: int
    aside: str | None
    notes: list[str]


def restore(
    workspace: Workspace,
    source: Path,
    *,
    by: str,
    now: datetime,
    force: bool = False,
    served_by: Sequence[str] = (),
    watcher: Watcher | None = None,
) -> Restored:
    """Put a backup into an empty workspace; with `force`, what is in the way is moved aside first."""
    with reading(source) as kept:
        _readable(kept)
        with step("verify", watcher):
            for _ in kept.verify():
                pass
        if _done(workspace, kept):
            (workspace.home / NOTE).unlink()
            return _told(workspace, kept, None, [])
        aside = _make_way(workspace, kept, force, served_by, now)
        _begin(workspace, kept)
        with step("artifacts", watcher):
            _artifacts(workspace, kept)
        with step("tables", watcher):
            _tables(workspace, kept)
        with step("log", watcher):
            _log(workspace, kept)
        with step("fresh values", watcher):
            notes = _fresh(workspace, kept)
        with step("ledger", watcher):
            os.sync()
            _ledger(workspace, kept, by, now)
        (workspace.home / NOTE).unlink(missing_ok=True)
        return _told(workspace, kept, aside, notes)


def place_for(folder: Path, settings: Settings) -> Workspace:
    """The workspace of a folder itself, whatever lies above it; made where there is none."""
    file = folder / FILE
    if not file.exists():
        if (folder / "outlast.toml").exists():
            return Workspace(folder.resolve(), settings=settings)
        folder.mkdir(parents=True, exist_ok=True)
        environment = settings.environment
        text = "# Made by `outlast restore`.\n"
        file.write_text(text if environment == "dev" else f"{text}\n[environments.{environment}]\n", "utf-8")
    return Workspace.find(folder, settings)


def _readable(kept: Kept) -> None:
    revision = kept.manifest["ledger"]
    if revision != schema.HEAD:
        raise StorageError(
            f"The backup {kept.source} holds a ledger of revision {revision}, this release knows {schema.HEAD}: "
            f"restore it with Outlast {kept.manifest['outlast']}, then run `outlast doctor --migrate` with this one"
        )


def _make_way(workspace: Workspace, kept: Kept, force: bool, served_by: Sequence[str], now: datetime) -> str | None:
    """Refuse to write over anything; gives where the old workspace went."""
    if served_by:
        raise Refused(f"{workspace.root} is being served by {', '.join(served_by)}: stop that, then restore")
    found = _in_the_way(workspace, kept)
    if not found:
        return None
    what = f"The workspace {workspace.root} is not empty, it has {', '.join(found)}"
    if not force:
        raise Refused(f"{what}: restore into another folder with --into, or move what is there aside with --force")
    aside = _move_aside(workspace, now)
    left = _in_the_way(workspace, kept)
    if left:
        raise Refused(
            f"{what}, and what is not below {workspace.home} cannot be moved aside: name an empty database and empty "
            f"storage in {FILE}, or empty the old ones yourself"
        )
    return str(aside)


def _in_the_way(workspace: Workspace, kept: Kept) -> list[str]:
    found = []
    with workspace.ledger.read() as connection:
        if not rows.is_empty(connection):
            found.append("a ledger with entries")
    if _noted(workspace) == kept.digest:
        return found  # the rest is what a killed restore of the same backup wrote
    if names := workspace.tables.names():
        found.append(counted(len(names), "table"))
    if any(workspace.log_root.rglob("*.log")):
        found.append("a log")
    if isinstance(workspace.fresh, FreshValues) and workspace.fresh.path.exists():
        found.append("fresh values")
    return found


def _done(workspace: Workspace, kept: Kept) -> bool:
    """Whether a restore of this backup was killed after the ledger was whole, before it could say so."""
    if _noted(workspace) != kept.digest:
        return False
    entries = audit.entries(workspace.ledger, object=WORKSPACE)
    return any(entry.action == "restore" and entry.detail.get("digest") == kept.digest for entry in entries)


def _move_aside(workspace: Workspace, now: datetime) -> Path:
    """Everything of this environment; the folders of others, which lie in dev's, stay."""
    workspace.ledger.dispose()
    workspace.fresh.close()
    aside = workspace.root / f"{workspace.home.name}.before-{utc(now):%Y%m%dT%H%M%S}"
    aside.mkdir(exist_ok=True)
    others = set(workspace.declaration.environments) if workspace.settings.environment == "dev" else set()
    for path in sorted(workspace.home.iterdir()):
        if path.name not in others:
            path.rename(aside / path.name)
    for store in ("ledger", "fresh"):  # opened anew, where the old ones were
        workspace.__dict__.pop(store, None)
    return aside


def _noted(workspace: Workspace) -> str | None:
    try:
        return str(msgspec.json.decode((workspace.home / NOTE).read_bytes())["digest"])
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, KeyError, TypeError):
        return None  # cut short by a kill before anything else was written


def _begin(workspace: Workspace, kept: Kept) -> None:
    workspace.home.mkdir(parents=True, exist_ok=True)
    (workspace.home / NOTE).write_bytes(msgspec.json.encode({"format": 1, "digest": kept.digest}))


def _artifacts(workspace: Workspace, kept: Kept) -> None:
    for name in kept.below("artifacts"):
        with kept.opened(name) as stream:
            workspace.artifacts.put(stream.read())


def _tables(workspace: Workspace, kept: Kept) -> None:
    """Rows before the log that names them, so that a table is there when it is whole."""
    for name in kept.manifest["tables"]:
        prefix = f"tables/{name}.delta/"
        files = [file.removeprefix(prefix) for file in kept.below(prefix.rstrip("/"))]
        for file in sorted(files, key=lambda one: (one.startswith("_delta_log/"), one)):
            with kept.opened(prefix + file) as stream:
                workspace.tables.put(name, file, stream)


def _log(workspace: Workspace, kept: Kept) -> None:
    for name in kept.below("log"):
        with kept.opened(name) as stream:
            _place(workspace.log_root, name.removeprefix("log/"), stream)


def _fresh(workspace: Workspace, kept: Kept) -> list[str]:
    """Fresh values where both sides keep them in a file; otherwise what to do instead."""
    fresh, refill = workspace.fresh, "fill fresh values: outlast doctor --refill"
    if "fresh.db" not in kept.files:
        return [refill] if "fresh values in Redis" in kept.manifest["left_out"] else []
    if not isinstance(fresh, FreshValues):
        return [refill]
    with kept.opened("fresh.db") as stream:
        _place(fresh.path.parent, fresh.path.name, stream)
    return []


def _ledger(workspace: Workspace, kept: Kept, by: str, now: datetime) -> None:
    """All rows in one transaction, with the entry that says they were put back."""
    with workspace.ledger.write() as connection:
        lock(connection, "restore")
        if not rows.is_empty(connection):
            raise Refused(f"Somebody wrote into the ledger of {workspace.root} meanwhile: restore again with --force")
        for table in rows.TABLES:
            with kept.opened(f"ledger/{table.name}.jsonl") as stream:
                rows.read(connection, table, stream)
        _close_spans(connection, datetime.fromisoformat(kept.manifest["at"]))
        told = {name: kept.manifest[name] for name in ("at", "workspace", "environment", "audit")}
        detail = {"digest": kept.digest, **told}
        audit.record(connection, actor=by, action="restore", object=WORKSPACE, detail=detail, at=now)


def _close_spans(connection: sa.Connection, at: datetime) -> None:
    """Nothing serves a workspace that was just put back: what did so then is known up to the backup."""
    served = schema.served.c
    later = sa.case((served.since > utc(at), served.since), else_=sa.bindparam("at", utc(at), served.until.type))
    connection.execute(sa.update(schema.served).where(served.until.is_(None)).values(until=later))


def _place(root: Path, name: str, stream: Any) -> None:
    target = (root / name).resolve()
    if not target.is_relative_to(root.resolve()):
        raise StorageError(f"'{name}' in the backup lies outside its folder: it was tampered with; use another")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.restored")
    with draft.open("wb") as near:
        shutil.copyfileobj(stream, near, 1 << 20)
        near.flush()
        os.fsync(near.fileno())
    os.replace(draft, target)


def _told(workspace: Workspace, kept: Kept, aside: str | None, notes: list[str]) -> Restored:
    broken = audit.verify(workspace.ledger, known=kept.manifest["audit"]["digest"] if _has_trail(kept) else None)
    if broken is not None:
        notes = [*notes, f"the audit trail was broken when the backup was taken: {broken.sentence}"]
    with workspace.ledger.read() as connection:
        models = sorted(connection.scalars(sa.select(schema.models.c.name)))
    counts = (len(kept.manifest["tables"]), len(kept.below("artifacts")))
    of = datetime.fromisoformat(kept.manifest["at"])
    return Restored(str(workspace.root), of, kept.digest, models, *counts, aside, notes)


def _has_trail(kept: Kept) -> bool:
    return bool(kept.manifest["audit"]["seq"])
