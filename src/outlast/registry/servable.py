"""Who may still be served: one answer for all that writes, fills, prunes or drops fresh values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from outlast.bundle.format import open_bundle
from outlast.bundle.lookups import read_back
from outlast.data.schema import from_json
from outlast.features.compiled import CompiledLookup
from outlast.project.workspace import Workspace
from outlast.registry.letting_out import being_let_out
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import utc

Role = Literal["live", "challenger", "previous", "being let out", "still served", "lately live", "latest"]
_STATES: tuple[Role, ...] = ("live", "challenger", "previous")
LATELY = timedelta(hours=1)
"""How long a version counts after it was replaced: a server may be about to take it, and swaps again in a moment."""


@dataclass(frozen=True)
class Servable:
    """A version that answers, or may: why it counts, the strongest reason first."""

    model: str
    number: int
    digest: str
    created_at: datetime
    roles: tuple[Role, ...]

    def __str__(self) -> str:
        return f"{self.model}@{self.number}"

    @property
    def asked(self) -> bool:
        """Whether it may be asked as it is: what only was trained last, or replaced, is filled before it is live."""
        return not {"latest", "lately live"}.issuperset(self.roles)


def servable(ledger: Ledger, *, now: datetime, model: str | None = None) -> list[Servable]:
    """Every version that may be served, of one model or of all; by model, the newest first.

    What is pushed is written for all of them, and none loses its fresh values. All is read in one transaction: a
    version that goes from one state to the next is never missed.
    """
    with ledger.read() as connection:
        found: dict[tuple[str, int], list[Role]] = {}
        for role, name, number in _roles(connection, utc(now)):
            if model in (None, name):
                found.setdefault((name, number), []).append(role)
        rows = connection.execute(_BUNDLES, {"which": list(found)}).all()
    return [
        Servable(row.model, row.number, row.digest, row.created_at, tuple(dict.fromkeys(found[row.model, row.number])))
        for row in rows
    ]


def _roles(connection: sa.Connection, now: datetime) -> Iterator[tuple[Role, str, int]]:
    """Each reason why a version counts, the strongest first."""
    rows = connection.execute(_REASONS, {"lately": now - LATELY})
    found = [(_ROLES[place], model, number) for place, model, number in rows]
    yield from (one for one in found if one[0] in _STATES)
    yield from (("being let out", model, number) for model, number in being_let_out(connection, now))
    yield from (one for one in found if one[0] not in _STATES)


def _reasons() -> Iterator[tuple[Role, sa.Select[Any]]]:
    """A new state of a rollout is added here, and only here."""
    rollouts, served, steps = tables.rollouts.c, tables.served.c, tables.transitions.c
    for role in _STATES:
        column = rollouts[role]
        yield role, sa.select(rollouts.model, column).where(column.is_not(None))
    # What a killed server still has open counts too: the tick closes it first.
    yield "still served", sa.select(served.model, served.version).where(served.until.is_(None))
    lately = steps.at > sa.bindparam("lately", type_=steps.at.type)
    gone = steps.action.in_(("withdraw", "rollback"))
    for column, which in ((steps.from_version, lately), (steps.version, lately & gone)):
        yield "lately live", sa.select(steps.model, column).where(which & column.is_not(None))
    versions = tables.versions.c
    yield "latest", sa.select(versions.model, sa.func.max(versions.number)).group_by(versions.model)


def _prepared() -> tuple[list[Role], sa.CompoundSelect[Any], sa.Select[Any]]:
    """All reasons in one question to the ledger, and what to know of versions: every fact that comes in asks both."""
    reasons = list(_reasons())
    parts = [sa.select(sa.literal_column(str(place)).label("place"), *one.subquery().c)
             for place, (_, one) in enumerate(reasons)]  # fmt: skip
    every = sa.union(*parts).order_by("place")
    table = tables.versions.c
    which = sa.tuple_(table.model, table.number).in_(sa.bindparam("which", expanding=True))
    query = sa.select(table.model, table.number, table.digest, table.created_at).where(which)
    return [role for role, _ in reasons], every, query.order_by(table.model, table.number.desc())


_ROLES, _REASONS, _BUNDLES = _prepared()


def lookups_of(workspace: Workspace, digest: str) -> list[CompiledLookup]:
    """What a version reads of fresh values, by its bundle's digest; nothing of the bundle is executed."""
    manifest = open_bundle(workspace, digest).manifest
    schemas = {name: from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
    return [read_back(kept, schemas) for kept in manifest["lookups"]]


def lookups_read(workspace: Workspace, versions: Iterable[Servable]) -> dict[str, CompiledLookup]:
    """What versions read of fresh values, each digest once, however many models share it."""
    bundles = dict.fromkeys(version.digest for version in versions)
    return {lookup.digest: lookup for digest in bundles for lookup in lookups_of(workspace, digest)}
