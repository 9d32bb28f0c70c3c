"""Shared sets of features: their numbered versions, who uses them, and how fresh and full they are.

A version of a set is a digest of what it computes. The audit trail numbers them: the first digest that was declared
under a name is @1, each new one the next. A model keeps the version it was trained with, in its bundle, until it is
retrained.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outlast.bundle.format import Bundle, unpack
from outlast.data.profile import MISSING, from_json
from outlast.errors import NotFound, RequestError, nearest
from outlast.project.declare import Features
from outlast.project.loader import Project
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.servable import Servable, servable
from outlast.storage.ledger import Ledger
from outlast.types import micros, moment


@dataclass(frozen=True)
class SetVersion:
    """One meaning that a set has had: its number, its digest, and who brought it."""

    name: str
    number: int
    digest: str
    at: datetime
    by: str

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


@dataclass(frozen=True)
class User:
    """A version of a model that computes a version of a set, and whether it is live."""

    model: str
    number: int
    state: str

    def __str__(self) -> str:
        return f"{self.model}@{self.number}{f' ({self.state})' if self.state else ''}"


@dataclass(frozen=True)
class Column:
    """One feature of a set: its kind, and the share of rows without it in the newest training that used it."""

    name: str
    kind: str | None
    missing: float | None


@dataclass(frozen=True)
class Entry:
    """A version of a set as the catalog shows it."""

    version: SetVersion
    owner: str | None
    meaning: str | None
    columns: list[Column]
    functions: list[str]
    sources: list[str]
    newest_fact: datetime | None
    users: list[User]


def described(shared: Features) -> dict[str, Any]:
    """A set as a bundle keeps it."""
    lookups = shared.lookups
    return {
        "name": shared.name,
        "digest": shared.digest,
        "owner": shared.owner,
        "meaning": shared.meaning,
        "columns": [name for lookup in lookups for name in lookup.names],
        "functions": [getattr(function, "__name__", "function") for function in shared.functions],
        "sources": list(dict.fromkeys(lookup.source.name for lookup in lookups)),
        "lookups": [lookup.digest for lookup in lookups],
    }


def package_of(project: Project, shared: Features) -> str | None:
    """The package of the workspace that a set comes from; None where the project's own folder declares it."""
    for package in project.workspace.packages:
        inside = f"{project.code.package}.{package.name}"
        for name, module in list(sys.modules.items()):
            ours = name == inside or name.startswith(f"{inside}.")
            if ours and any(_holds(value, shared) for value in vars(module).values()):
                return package.name
    return None


def _holds(value: Any, shared: Features) -> bool:
    return value is shared or (isinstance(value, Features) and shared in value.sets)


def versions_of(ledger: Ledger, name: str) -> list[SetVersion]:
    """Every version of a set, in the order they were first declared; none where nobody declared it."""
    found: dict[str, SetVersion] = {}
    for entry in audit.entries(ledger, object=f"set {name}"):
        for change in entry.detail.get("changes", []):
            if change["key"] == "digest" and change["after"] not in found:
                digest = change["after"]
                found[digest] = SetVersion(name, len(found) + 1, digest, entry.at, entry.actor)
    return list(found.values())


def catalog(workspace: Workspace, *, now: datetime) -> list[Entry]:
    """Every version of a set that some version of a model uses, by name and number."""
    users = list(_using(workspace, now))
    found: dict[tuple[str, str], list[tuple[Servable, str, Bundle, dict[str, Any]]]] = {}
    for version, state, bundle, kept in users:
        found.setdefault((kept["name"], kept["digest"]), []).append((version, state, bundle, kept))
    entries = []
    for (name, digest), those in found.items():
        number = next((v for v in versions_of(workspace.ledger, name) if v.digest == digest), None)
        if number is not None:
            entries.append(_entry(workspace, number, those, now))
    return sorted(entries, key=lambda one: (one.version.name, one.version.number))


def find_set(workspace: Workspace, text: str, *, now: datetime) -> tuple[Entry | None, list[SetVersion]]:
    """A set by NAME or NAME@2, the newest version by default, and all of its versions; no entry if nobody uses it."""
    name, _, number = text.partition("@")
    versions = versions_of(workspace.ledger, name)
    if not versions:
        known = {entry.version.name for entry in catalog(workspace, now=now)}
        raise NotFound(f"No set of features is named '{name}' in this workspace: {nearest(name, known)}")
    if number and not number.isdigit():
        raise RequestError(f"'{text}' names no version of a set: after @ write a number, such as {name}@1")
    wanted = int(number) if number else versions[-1].number
    if not 1 <= wanted <= len(versions):
        raise NotFound(f"Set '{name}' has no version {wanted}: it has 1 to {len(versions)}")
    chosen = [one for one in catalog(workspace, now=now) if one.version == versions[wanted - 1]]
    return (chosen[0] if chosen else None), versions


def _using(workspace: Workspace, now: datetime) -> Iterator[tuple[Servable, str, Bundle, dict[str, Any]]]:
    """What may be served or was trained last, with each set it computes; the newest training last."""
    for version in sorted(servable(workspace.ledger, now=now), key=lambda one: one.created_at):
        state = version.roles[0]
        bundle = unpack(workspace.artifacts.get(version.digest), f"Bundle {version.digest[:12]}")
        for kept in bundle.manifest.get("sets", []):  # bundles of the first release do not say
            yield version, "" if state == "latest" else state, bundle, kept


def _entry(
    workspace: Workspace, number: SetVersion, those: list[tuple[Servable, str, Bundle, dict[str, Any]]], now: datetime
) -> Entry:
    _, _, bundle, kept = those[-1]
    profile = from_json(bundle.files["profile.json"])
    bins = {one.name: one for one in profile.features}
    columns = []
    for name in kept["columns"]:
        one = bins.get(name)
        share = one.counts[MISSING] / profile.rows if one is not None and profile.rows else None
        columns.append(Column(name, None if one is None else one.kind, share))
    newest = [workspace.fresh.newest(digest, micros(now)) for digest in kept["lookups"]]
    known = [at for at in newest if at is not None]
    users = [User(version.model, version.number, state) for version, state, _, _ in those]
    return Entry(number, kept["owner"], kept["meaning"], columns, kept["functions"], kept["sources"],
                 moment(max(known)) if known else None, users)  # fmt: skip
