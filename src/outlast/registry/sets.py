"""Shared sets of features: their numbered versions, who uses them, and how fresh and full they are.

A version of a set is a digest of what it computes. The audit trail numbers them: the first digest that was declared
under a name is @1, each new one the next. A model keeps the version it was trained with, in its bundle, until it is
retrained.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from outlast.bundle.format import Bundle, open_bundle
from outlast.bundle.lookups import read_back
from outlast.data.profile import MISSING
from outlast.data.profile import from_json as profile_from
from outlast.data.schema import dtype_name
from outlast.data.schema import from_json as schema_from
from outlast.errors import NotFound, RequestError, StorageError, nearest
from outlast.project.declare import Features
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
    """One feature of a set: its type and kind, and the share of rows without it in training and as it was served.

    Of training it is the newest that used the set; of what was served, all versions that use it in the last days, and
    nothing where none of them answered.
    """

    name: str
    type: str | None
    kind: str | None
    missing: float | None
    served_missing: float | None = None


@dataclass(frozen=True)
class Freshness:
    """The newest fact of a source that fresh values hold, when it became known, and how long ago that is."""

    source: str
    lag: str
    newest: datetime | None
    age: timedelta | None


Lately = Callable[[str, int, Sequence[str]], tuple[int, Mapping[str, int]]]
"""Of a version's answers of the last days: how many had features, and in how many each column was missing."""


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
    freshness: list[Freshness]
    served_rows: int
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


def versions_of(ledger: Ledger, name: str) -> list[SetVersion]:
    """Every version of a set, in the order they were first declared; none where nobody declared it."""
    found: dict[str, SetVersion] = {}
    for entry in audit.entries(ledger, object=f"set {name}"):
        for change in entry.detail.get("changes", []):
            if change["key"] == "digest" and change["after"] not in found:
                digest = change["after"]
                found[digest] = SetVersion(name, len(found) + 1, digest, entry.at, entry.actor)
    return list(found.values())


def catalog(workspace: Workspace, *, now: datetime, lately: Lately | None = None) -> list[Entry]:
    """Every version of a set that some version of a model uses, by name and number.

    `lately` tells what answers lacked; without it nothing is said of what was served.
    """
    users = list(_using(workspace, now))
    found: dict[tuple[str, str], list[tuple[Servable, str, Bundle, dict[str, Any]]]] = {}
    for version, state, bundle, kept in users:
        found.setdefault((kept["name"], kept["digest"]), []).append((version, state, bundle, kept))
    entries = []
    for (name, digest), those in found.items():
        number = next((v for v in versions_of(workspace.ledger, name) if v.digest == digest), None)
        if number is not None:
            entries.append(_entry(workspace, number, those, (now, lately)))
    return sorted(entries, key=lambda one: (one.version.name, one.version.number))


def find_set(
    workspace: Workspace, text: str, *, now: datetime, lately: Lately | None = None
) -> tuple[Entry | None, list[SetVersion]]:
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
    chosen = [one for one in catalog(workspace, now=now, lately=lately) if one.version == versions[wanted - 1]]
    return (chosen[0] if chosen else None), versions


def _using(workspace: Workspace, now: datetime) -> Iterator[tuple[Servable, str, Bundle, dict[str, Any]]]:
    """What may be served or was trained last, with each set it computes; the newest training last."""
    for version in sorted(servable(workspace.ledger, now=now), key=lambda one: one.created_at):
        state = version.roles[0]
        bundle = open_bundle(workspace, version.digest)
        for kept in bundle.manifest.get("sets", []):  # bundles of the first release do not say
            yield version, "" if state == "latest" else state, bundle, kept


def _entry(
    workspace: Workspace,
    number: SetVersion,
    those: list[tuple[Servable, str, Bundle, dict[str, Any]]],
    when: tuple[datetime, Lately | None],
) -> Entry:
    now, lately = when
    _, _, bundle, kept = those[-1]
    users = [User(version.model, version.number, state) for version, state, _, _ in those]
    rows, gaps = _served(users, kept["columns"], lately)
    freshness = _freshness(workspace, bundle, kept, now)
    known = [one.newest for one in freshness if one.newest is not None]
    columns = [
        replace(column, served_missing=gaps[column.name] / rows if rows else None) for column in _columns(bundle, kept)
    ]
    return Entry(number, kept["owner"], kept["meaning"], columns, kept["functions"], kept["sources"],
                 max(known, default=None), freshness, rows, users)  # fmt: skip


def _columns(bundle: Bundle, kept: dict[str, Any]) -> Iterator[Column]:
    """The columns of a set with their types, and the share of training rows without them."""
    profile = profile_from(bundle.files["profile.json"])
    bins = {one.name: one for one in profile.features}
    types = _types(bundle, kept)
    for name in kept["columns"]:
        one = bins.get(name)
        share = one.counts[MISSING] / profile.rows if one is not None and profile.rows else None
        yield Column(name, types.get(name), None if one is None else one.kind, share)


def _types(bundle: Bundle, kept: dict[str, Any]) -> dict[str, str]:
    schemas = {name: schema_from(source["schema"]) for name, source in bundle.manifest["sources"].items()}
    try:
        lookups = [read_back(one, schemas) for one in _lookups(bundle, kept)]
    except StorageError:
        return {}  # another Polars wrote its expressions; serving it says what to do, a catalog need not
    return {name: dtype_name(dtype) for one in lookups for name, dtype in one.schema.items()}


def _freshness(workspace: Workspace, bundle: Bundle, kept: dict[str, Any], now: datetime) -> list[Freshness]:
    """Each source a set looks up in, and the newest of its facts that any of the lookups holds."""
    newest: dict[str, list[int]] = {}
    lags: dict[str, str] = {}
    for one in _lookups(bundle, kept):
        source = one["source"]["name"]
        lags[source] = one["source"]["lag"]
        at = workspace.fresh.newest(one["digest"], micros(now))
        newest.setdefault(source, []).extend([] if at is None else [at])
    found = []
    for source, known in newest.items():
        last = moment(max(known)) if known else None
        found.append(Freshness(source, lags[source], last, None if last is None else now - last))
    return found


def _lookups(bundle: Bundle, kept: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in bundle.manifest["lookups"] if one["digest"] in kept["lookups"]]


def _served(users: list[User], columns: list[str], lately: Lately | None) -> tuple[int, dict[str, int]]:
    """What all versions that use a set answered lately without each column."""
    rows, gaps = 0, dict.fromkeys(columns, 0)
    for user in users if lately is not None and columns else []:
        assert lately is not None
        count, missing = lately(user.model, user.number, columns)
        rows += count
        gaps = {name: gaps[name] + missing[name] for name in columns}
    return rows, gaps
