"""Lookups in the store of fresh values that no version reads any more, whichever may still be served."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from outlast.errors import OutlastError
from outlast.project.workspace import Workspace
from outlast.registry.servable import lookups_of, lookups_read, servable
from outlast.storage.ledger import schema as tables
from outlast.types import utc

_MARK = "lookups/"


@dataclass(frozen=True)
class Unread:
    """Digests of lookups: those of our versions, with the newest that read them, and those of none of ours."""

    ours: dict[str, str]
    strange: list[str]


def unread(workspace: Workspace, *, now: datetime, remember: bool = False) -> Unread:
    """What lies in the store for nobody.

    What no version of this ledger ever read is another's, such as another workspace's of the same name in the same
    Redis: it is told, and never dropped. With `remember`, what a version reads is noted in the ledger, so that its
    bundle is opened for this once.
    """
    there = set(workspace.fresh.digests())
    left = there - lookups_read(workspace, servable(workspace.ledger, now=now)).keys() if there else there
    ours: dict[str, str] = {}
    if left:
        for name, digests in _read_by(workspace, now, remember):
            ours |= {digest: name for digest in digests if digest in left and digest not in ours}
            if len(ours) == len(left):
                break
    return Unread(ours, sorted(left - ours.keys()))


def _read_by(workspace: Workspace, now: datetime, remember: bool) -> Iterator[tuple[str, list[str]]]:
    """Every version there ever was, the newest first, and what it reads; none of what cannot be opened any more."""
    table, marks = tables.versions.c, tables.marks.c
    with workspace.ledger.read() as connection:
        newest = sa.select(table.model, table.number, table.digest).order_by(table.created_at.desc())
        versions = connection.execute(newest).all()
        noted = sa.select(marks.name, marks.value).where(marks.name.startswith(_MARK, autoescape=True))
        known = {name.removeprefix(_MARK): value for name, value in connection.execute(noted)}
    for model, number, bundle in versions:
        if bundle not in known:
            try:
                known[bundle] = [lookup.digest for lookup in lookups_of(workspace, bundle)]
            except OutlastError:
                continue  # `outlast doctor` names it; what only it read stays where it is
            if remember:
                with workspace.ledger.write() as connection:
                    row = {"name": _MARK + bundle, "value": known[bundle], "at": utc(now)}
                    connection.execute(sa.insert(tables.marks).values(row))
        yield f"{model}@{number}", known[bundle]
