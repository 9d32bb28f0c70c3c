"""Who may still be served: one answer for all that writes, fills, prunes or drops fresh values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from outlast.bundle.format import unpack
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
        table = tables.versions.c
        query = sa.select(table.model, table.number, table.digest, table.created_at)
        query = query.where(sa.tuple_(table.model, table.number).in_(list(found)))
        rows = connection.execute(query.order_by(table.model, table.number.desc())).all()
    return [Servable(*row, tuple(dict.fromkeys(found[row.model, row.number]))) for row in rows]


def _roles(connection: sa.Connection, now: datetime) -> Iterator[tuple[Role, str, int]]:
    """Each reason why a version counts, the strongest first. A new state of a rollout is added here, and only here."""
    rollouts, served, steps = tables.rollouts.c, tables.served.c, tables.transitions.c
    states = connection.execute(sa.select(rollouts.model, rollouts.live, rollouts.challenger, rollouts.previous)).all()
    for place, role in enumerate(_STATES, start=1):
        yield from ((role, state.model, state[place]) for state in states if state[place] is not None)
    for model, number in being_let_out(connection, now):
        yield "being let out", model, number
    for row in connection.execute(sa.select(served.model, served.version).where(served.until.is_(None)).distinct()):
        yield "still served", row.model, row.version  # a killed server's: the tick closes it first
    lately, gone = steps.at > now - LATELY, steps.action.in_(("withdraw", "rollback"))
    for column, which in ((steps.from_version, lately), (steps.version, lately & gone)):
        replaced = sa.select(steps.model, column).where(which & column.is_not(None)).distinct()
        for model, number in connection.execute(replaced):
            yield "lately live", model, number
    versions = tables.versions.c
    newest = sa.select(versions.model, sa.func.max(versions.number)).group_by(versions.model)
    for model, number in connection.execute(newest):
        yield "latest", model, number


def lookups_of(workspace: Workspace, digest: str) -> list[CompiledLookup]:
    """What a version reads of fresh values, by its bundle's digest; nothing of the bundle is executed."""
    manifest = unpack(workspace.artifacts.get(digest), f"Bundle {digest[:12]}").manifest
    schemas = {name: from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
    return [read_back(kept, schemas) for kept in manifest["lookups"]]


def lookups_read(workspace: Workspace, versions: Iterable[Servable]) -> dict[str, CompiledLookup]:
    """What versions read of fresh values, each digest once, however many models share it."""
    bundles = dict.fromkeys(version.digest for version in versions)
    return {lookup.digest: lookup for digest in bundles for lookup in lookups_of(workspace, digest)}
