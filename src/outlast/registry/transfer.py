"""Moving a version to another environment of the workspace: bytes, record, verdicts, approvals, training set, names.

Every step can be done again, and what is there already is left, so that a transfer that was killed is completed by
asking for it again. The record comes last on the other side: a version is there whole or not at all. It keeps its
digest, gets the next number there, says where it came from, and is not live by that.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import open_bundle
from outlast.errors import NotFound, SettingsError, StorageError, nearest
from outlast.project.workspace import FILE, Workspace
from outlast.registry import approvals, audit, verdicts
from outlast.registry.declarations import declare, declared, require_free
from outlast.registry.versions import Transferred, Version, find, find_in, hold, versions
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import ModelRef, utc

TRANSFER = "transfer"


def transfer(workspace: Workspace, ref: ModelRef, *, to: str, by: str, at: datetime) -> Transferred:
    """Bring a version to another environment of workspace.toml, with the evidence about it."""
    other = _other(workspace, to)
    version = find(workspace.ledger, ref if ref.version is not None else ModelRef(ref.name, "latest"))
    bundle = open_bundle(workspace, version.digest)
    already = any(one.digest == version.digest for one in versions(other.ledger, version.model))
    _copy_artifacts(workspace, other, version)
    _copy_training_set(workspace, other, version)
    _claim_names(workspace, other, bundle, by=by, at=at)
    there = _arrive(workspace, other, version, by=by, at=at)
    _note_departure(workspace.ledger, version, to, there, by=by, at=at)
    with other.ledger.read() as connection:
        judged = len(verdicts.about(connection, there.model, there.number))
        said = len(approvals.said_of(connection, there))
    return Transferred(version, to, there, judged, said, already)


def _other(workspace: Workspace, to: str) -> Workspace:
    here = workspace.settings.environment
    if to == here:
        raise SettingsError(f"'{to}' is the environment that this command works in: name another one with --to")
    known = {*workspace.declaration.environments, "dev"}
    if to not in known:
        raise SettingsError(f"Environment '{to}' is not declared in {workspace.root / FILE}: {nearest(to, known)}")
    other = workspace.at(to)
    if other.ledger_url == workspace.ledger_url:
        raise SettingsError(
            f"Environments '{here}' and '{to}' have the same ledger, so there is nothing to transfer: give each its "
            "own [environments.NAME.storage] ledger in workspace.toml"
        )
    return other


def _copy_artifacts(here: Workspace, there: Workspace, version: Version) -> None:
    """The bundle, and Outlast's own build that trained it; each digest is looked at on arrival."""
    builds = [build["artifact"] for build in (version.lineage.get("builds") or {}).values()]
    for digest in (version.digest, *builds):
        if not there.artifacts.exists(digest):
            there.artifacts.put(here.artifacts.get(digest))
        there.artifacts.get(digest)
    open_bundle(there, version.digest)


def _copy_training_set(here: Workspace, there: Workspace, version: Version) -> None:
    name = version.summary.get("snapshot")
    if name is None or here.tables.root == there.tables.root or (there.tables.exists(name) and _rows(there, name)):
        return
    if not here.tables.exists(name):
        raise NotFound(
            f"The training set '{name}' of {version} is not in {here.tables.root}: restore it from a backup, then "
            "transfer again"
        )
    frame = here.tables.scan(name).collect()
    there.tables.append(name, frame, once=f"{TRANSFER}/{version.digest}")
    if _rows(there, name) != frame.height:
        raise StorageError(
            f"The training set '{name}' has {_rows(there, name)} rows in {there.tables.root} and {frame.height} here: "
            "delete it there, then transfer again"
        )


def _rows(place: Workspace, name: str) -> int:
    import polars as pl

    return int(place.tables.scan(name).select(pl.len()).collect().item())


def _claim_names(here: Workspace, there: Workspace, bundle: Bundle, *, by: str, at: datetime) -> None:
    """The names of model, sources and sets mean there what they mean here; what is claimed there already stays."""
    model = bundle.manifest["model"]
    for kind, name in _names(bundle):
        try:
            meaning = declared(here.ledger, kind, name)
        except NotFound:
            continue  # a workspace of the first release, or one that was restored in part
        try:
            declared(there.ledger, kind, name)
        except NotFound:
            declare(there.ledger, kind, name, model, meaning, by=by, at=at)
        else:
            if kind != "model":
                require_free(there.ledger, kind, name, model, meaning)


def _names(bundle: Bundle) -> Iterator[tuple[str, str]]:
    yield "model", bundle.manifest["model"]
    yield from (("source", name) for name in bundle.manifest["sources"])
    yield from (("set", one["name"]) for one in bundle.manifest.get("sets", []))


def _arrive(here: Workspace, there: Workspace, version: Version, *, by: str, at: datetime) -> Version:
    """The version's row there, with its verdicts and approvals, in one transaction; again adds what is new."""
    with here.ledger.read() as connection:
        kept = [one for one in verdicts.about(connection, version.model, version.number) if one.whole][::-1]
        said = [one for one in approvals.said_of(connection, version) if one.bundle == version.digest]
    origin = {"environment": here.settings.environment, "number": version.number}
    with there.ledger.write() as connection:
        hold(connection, version.model, at)
        number = _numbered(connection, version, {**origin, "by": by, "at": utc(at).isoformat()}, at)
        names = {
            one.digest: verdicts.write(connection, version.model, number, one.at, _from(one, origin)) for one in kept
        }
        arrived = replace(version, number=number)
        before = [approvals.plain(one) for one in approvals.said_of(connection, arrived)]
        told = [_there(one, number, names, here.settings.environment) for one in said]
        for one in told:
            if approvals.plain(one) not in before:
                approvals.keep(connection, one, actor=by, at=at, more={"from": origin})
        if not _is_noted(connection, version, number):
            detail = {"number": number, "digest": version.digest, "code_digest": version.code_digest}
            detail |= {"task": version.task, "from": origin, "verdicts": list(names.values())}
            detail |= {audit.EVIDENCE: audit.evidence_of(find_in(connection, ModelRef(version.model, number)))}
            audit.record(connection, actor=by, action="register", object=version.model, detail=detail, at=at)
    return find(there.ledger, ModelRef(version.model, number))


def _numbered(connection: sa.Connection, version: Version, origin: dict[str, Any], at: datetime) -> int:
    table = tables.versions
    mine = table.c.model == version.model
    known = connection.scalar(sa.select(table.c.number).where(mine & (table.c.digest == version.digest)))
    if known is not None:
        return int(known)
    highest = connection.scalar(sa.select(sa.func.max(table.c.number)).where(mine)) or 0
    row = {**vars(version), "number": highest + 1, "lineage": {**version.lineage, "transferred": origin}}
    connection.execute(sa.insert(table).values(row))
    return int(highest + 1)


def _from(record: verdicts.Record, origin: dict[str, Any]) -> list[dict[str, Any]]:
    """A verdict's checks, saying which verdict they are of: the number there is another, so the digest is too."""
    first, *others = record.checks or [{"name": TRANSFER, "passed": True, "says": "no check was made", "evidence": {}}]
    evidence = {**(first.get("evidence") or {}), "from": {**origin, "verdict": record.digest}}
    return [{**first, "evidence": evidence}, *others]


def _there(one: approvals.Approval, number: int, names: dict[str, str], environment: str) -> approvals.Approval:
    known_by = one.identity if " in " in one.identity else f"{one.identity} in {environment}"
    verdict = names.get(one.verdict_digest, one.verdict_digest)
    return replace(one, number=number, verdict_digest=verdict, identity=known_by)


def _is_noted(connection: sa.Connection, version: Version, number: int) -> bool:
    table = tables.audit
    of = (table.c.object == version.model) & (table.c.action == "register")
    return any(
        (detail["number"], detail["digest"]) == (number, version.digest)
        for detail in connection.scalars(sa.select(table.c.detail).where(of))
    )


def _note_departure(ledger: Ledger, version: Version, to: str, there: Version, *, by: str, at: datetime) -> None:
    """On this side the trail says where a version went, once."""
    detail = {"number": version.number, "digest": version.digest, "to": {"environment": to, "number": there.number}}
    with ledger.write() as connection:
        hold(connection, version.model, at)
        table = tables.audit
        of = (table.c.object == version.model) & (table.c.action == TRANSFER)
        gone = list(connection.scalars(sa.select(table.c.detail).where(of)))
        if not any({name: one.get(name) for name in detail} == detail for one in gone):
            audit.record(connection, actor=by, action=TRANSFER, object=version.model, detail=detail, at=at)
