"""Names that are taken: models, sources and sets of features mean one thing in a workspace."""

import ast
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from outlast.errors import Conflict, NotFound, nearest
from outlast.project.declare import Model
from outlast.project.loader import Project, package_of
from outlast.project.workspace import Workspace, project_folders
from outlast.registry import audit
from outlast.registry.contracts import Change, changes
from outlast.storage.ledger import Ledger, lock
from outlast.storage.ledger.schema import declarations as table
from outlast.storage.ledger.schema import models
from outlast.types import digest_of


def declare(  # noqa: PLR0913 (each is a part of the record, given by name)
    ledger: Ledger,
    kind: str,
    name: str,
    model: str,
    declared: dict[str, Any],
    *,
    by: str,
    at: datetime,
    folders: Collection[str] = (),
) -> list[Change]:
    """Claim a name for what a model's project declares under it; returns what that changed.

    The same declaration again, by any model, changes nothing. Another one is an update when the model that claimed the
    name makes it, and a Conflict otherwise; a set of a shared package may be brought up to date by any model that uses
    it, which makes the set's next version. A model's name is claimed by its folder: another folder is a Conflict as
    long as the first is one of `folders`, the project folders that exist now; otherwise it was renamed.
    """
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(declared))
    with ledger.write() as connection:
        lock(connection, f"declare:{kind}:{name}")
        row = connection.execute(sa.select(table).where(_named(kind, name))).one_or_none()
        digest = digest_of(plain)
        if row is not None and row.digest == digest:
            return []
        found = changes(row.declared if row is not None else {}, plain)
        if row is None:
            values = {"kind": kind, "name": name, "digest": digest, "model": model, "declared": plain}
            connection.execute(sa.insert(table).values(values))
        else:
            _refuse_another(row, model, found, folders, plain)
            connection.execute(sa.update(table).where(_named(kind, name)).values(digest=digest, declared=plain))
        told = [{"key": change.key, "before": change.before, "after": change.after} for change in found]
        detail = {"model": model, "changes": told, "digest": digest}
        audit.record(connection, actor=by, action="declare", object=f"{kind} {name}", detail=detail, at=at)
    return found


def claims(project: Project) -> list[tuple[str, str, dict[str, Any]]]:
    """What a project declares in its workspace when it is trained: kind, name, and what that means."""
    model = project.model
    _one_meaning_each(model)
    return [
        ("model", model.name, {"folder": project.folder.name}),
        *(("source", source.name, source.declared()) for source in model.sources),
        *(("set", one.name, {"digest": one.digest, "package": package_of(project, one)}) for one in model.sets),
    ]


def _one_meaning_each(model: Model) -> None:
    seen: set[str] = set()
    for one in model.sets:
        if one.name in seen:
            raise Conflict(
                f"Model '{model.name}' has two sets named '{one.name}' that compute different features: rename one"
            )
        seen.add(one.name)


def require_free(
    ledger: Ledger, kind: str, name: str, model: str, declared: dict[str, Any], *, folders: Collection[str] = ()
) -> None:
    """The Conflict that `declare` would raise, before anything is declared."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(declared))
    with ledger.read() as connection:
        row = connection.execute(sa.select(table).where(_named(kind, name))).one_or_none()
    if row is not None and row.digest != digest_of(plain):
        _refuse_another(row, model, changes(row.declared, plain), folders, plain)


def declared(ledger: Ledger, kind: str, name: str) -> dict[str, Any]:
    """What a name was last declared to mean."""
    with ledger.read() as connection:
        found = connection.scalar(sa.select(table.c.declared).where(_named(kind, name)))
        if found is None:
            names = connection.scalars(sa.select(table.c.name).where(table.c.kind == kind))
            raise NotFound(f"No {kind} named '{name}' is declared in this workspace: {nearest(name, names)}")
    return dict(found)


def folder_of(workspace: Workspace, model: str) -> Path | None:
    """Where a model's project lies in this workspace, if it is here; also in a folder that was renamed since."""
    claimed = _claimed(workspace)
    if model not in claimed:
        return None
    folders = project_folders(workspace)
    named = next((folder for folder in folders if folder.name == claimed[model]), None)
    if named is not None:
        return named
    free = [folder for folder in folders if folder.name not in claimed.values() and _names(folder, model)]
    return free[0] if len(free) == 1 else None


def require_folder_of(workspace: Workspace, model: str) -> Path:
    """The same, or a sentence that says where it was expected."""
    found = folder_of(workspace, model)
    if found is not None:
        return found
    was = _claimed(workspace).get(model)
    alone = "" if was is None else f" '{was}', or one alone whose model.py names '{model}'"
    raise NotFound(
        f"The project of model '{model}' does not lie in {workspace.root}: expected a folder{alone}; "
        "put it there, and run `outlast train` in it once"
    )


def _claimed(workspace: Workspace) -> dict[str, str]:
    """The name of the folder in which each model was declared last."""
    with workspace.ledger.read() as connection:
        rows = connection.execute(sa.select(table.c.name, table.c.declared).where(table.c.kind == "model"))
        return {row.name: row.declared["folder"] for row in rows if row.declared.get("folder")}


def _names(folder: Path, model: str) -> bool:
    """Whether a project's model.py names a model, as far as can be read without executing it."""
    try:
        tree = ast.parse((folder / "model.py").read_bytes())
    except (OSError, SyntaxError, ValueError):  # no code that could declare it
        return False
    return any(isinstance(node, ast.Constant) and node.value == model for node in ast.walk(tree))


def models_of(workspace: Workspace, folder: Path) -> list[str]:
    """The trained models whose project lies in a folder, by name; one whose own folder is gone may have become it."""
    names = {other.name for other in project_folders(workspace)}
    query = sa.select(models.c.name, table.c.declared).outerjoin(
        table, (table.c.kind == "model") & (table.c.name == models.c.name)
    )
    with workspace.ledger.read() as connection:
        home = {row.name: (row.declared or {}).get("folder") for row in connection.execute(query.order_by("name"))}
    mine = [name for name, known in home.items() if known == folder.name]
    return mine or [name for name, known in home.items() if known not in names]


def _named(kind: str, name: str) -> sa.ColumnElement[bool]:
    return (table.c.kind == kind) & (table.c.name == name)


def _same_set(row: Any, plain: dict[str, Any]) -> bool:
    """Whether a set is the one declared before: equal, or another version of the same shared package's."""
    package = plain.get("package")
    # Ledgers of the first release do not say where a set comes from.
    shared = package is not None and row.declared.get("package", package) == package
    return bool(row.kind == "set" and (shared or row.declared.get("digest") == plain.get("digest")))


def _refuse_another(row: Any, model: str, found: list[Change], folders: Collection[str], plain: dict[str, Any]) -> None:
    if row.kind == "model":
        folder = next((change for change in found if change.key == "folder"), None)
        if folder is not None and folder.before in folders:
            raise Conflict(
                f"Model '{row.name}' is declared in two folders of this workspace, '{folder.before}' and "
                f"'{folder.after}': give one of the two models another name"
            )
    elif row.model != model and not _same_set(row, plain):
        change = found[0]
        raise Conflict(
            f"{row.kind.capitalize()} '{row.name}' of model '{model}' differs from the one of model '{row.model}': "
            f"{change.key} is {change.after!r} here and {change.before!r} there; make them equal, or rename one",
            details={"key": change.key, "models": [row.model, model]},
        )
