"""The live parts of contracts: they belong to the model, not to a version, and every change of them is audited."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from pydantic import ValidationError

from outlast.bundle.format import open_bundle
from outlast.errors import StorageError
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.versions import Version, hold
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import models, versions
from outlast.types import digest_of


@dataclass(frozen=True)
class Change:
    """One key that says something else now; None where it said or says nothing."""

    key: str
    before: Any
    after: Any


def apply(ledger: Ledger, model: str, contract: Contract, *, by: str, at: datetime) -> list[Change]:
    """Put a contract's live parts in force for every version of a model; what changed by that, in order of keys.

    The first time, the newest version's own contract is what they are compared with.
    """
    new = contract.live()
    with ledger.write() as connection:
        hold(connection, model, at)
        row = connection.execute(sa.select(models).where(models.c.name == model)).one()
        found = changes(_before(connection, row), new)
        if row.live_digest == digest_of(new):
            return []
        stored = sa.update(models).where(models.c.name == model)
        connection.execute(stored.values(live_contract=new, live_digest=digest_of(new)))
        told = [{"key": change.key, "before": change.before, "after": change.after} for change in found]
        detail = {"changes": told, "before": row.live_digest, "after": digest_of(new)}
        audit.record(connection, actor=by, action="apply", object=model, detail=detail, at=at)
    return found


def sensitive(ledger: Ledger, version: Version) -> set[str]:
    """The columns that the version's contract or the one in force calls sensitive."""
    live = sa.select(models.c.live_contract).where(models.c.name == version.model)
    with ledger.read() as connection:
        contracts = [version.summary["contract"], connection.scalar(live) or {}]
    return {name for one in contracts for name in one.get("journal", {}).get("sensitive", [])}


def contract_of(workspace: Workspace, version: Version) -> Contract:
    """The contract in force for a version."""
    return effective(workspace.ledger, version.model, open_bundle(workspace, version.digest).contract)


def effective(ledger: Ledger, model: str, frozen: Contract) -> Contract:
    """What a version was trained with, and the model's live parts in place of its own."""
    with ledger.read() as connection:
        live = connection.scalar(sa.select(models.c.live_contract).where(models.c.name == model))
    if live is None:
        return frozen
    try:
        return frozen.with_live(live)
    except ValidationError as error:
        raise StorageError(
            f"The live contract of model '{model}' in the ledger has keys that this release does not know "
            f"({error.errors()[0]['msg']}): upgrade Outlast, or run `outlast apply` again"
        ) from error


def waiting(frozen: Contract, contract: Contract) -> list[Change]:
    """What a contract changes that no `apply` can: these parts travel in a version, so they wait for a training."""
    return changes(frozen.frozen(), contract.frozen())


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The keys in which two nested tables differ, in order.

    >>> changes({"gate": {"margin": 0.0, "floors": {"r2": None}}}, {"gate": {"margin": 0.1, "floors": {"r2": None}}})
    [Change(key='gate.margin', before=0.0, after=0.1)]
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return [Change(key, old.get(key), new.get(key)) for key in keys]


def _before(connection: sa.Connection, row: Any) -> dict[str, Any]:
    if row.live_contract is not None:
        return dict(row.live_contract)
    newest = sa.select(versions.c.summary).where(versions.c.model == row.name).order_by(versions.c.number.desc())
    summary = connection.scalar(newest.limit(1)) or {}
    try:
        return Contract.model_validate(summary.get("contract") or {}).live()
    except ValidationError:
        return {}  # a version of another release, whose contract says things this one does not know


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, msgspec.to_builtins(value)
