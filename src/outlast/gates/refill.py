"""Filling fresh values from history, as every promotion fills them: for one model, or anew for all of a workspace."""

from datetime import datetime
from pathlib import Path

from outlast.bundle.ingest import Watcher
from outlast.errors import Refused, StorageError
from outlast.gates.promote import fill_fresh
from outlast.project.workspace import Workspace
from outlast.registry import rollout
from outlast.registry.servable import Servable, servable
from outlast.registry.versions import find
from outlast.serving.alive import living
from outlast.storage.fresh import DamagedFresh, FreshValues
from outlast.types import ModelRef


def refill(workspace: Workspace, *, now: datetime) -> tuple[dict[str, int], Path | None]:
    """Bring fresh values up to the sources' history, for whatever may be asked of any model.

    A damaged file is put aside first. Gives how many facts each source had, and where the damaged file is now.
    """
    aside = _put_aside(workspace, now)
    return _fill(workspace, servable(workspace.ledger, now=now), now, None), aside


def backfill(workspace: Workspace, model: str, *, now: datetime, watcher: Watcher | None = None) -> dict[str, int]:
    """Bring fresh values up to history for the versions of a model that answer, or that a rollback brings back.

    Facts go in by thousands, each such part all or none, and one that is there already changes nothing: a fill that is
    stopped half-way has lost and doubled nothing, and the next one completes it. A lookup that several versions share
    is filled once. Gives how many facts each source has.
    """
    rollout.current(workspace.ledger, model)  # which says so when there is no such model
    return _fill(workspace, servable(workspace.ledger, now=now, model=model), now, watcher)


def _fill(workspace: Workspace, versions: list[Servable], now: datetime, watcher: Watcher | None) -> dict[str, int]:
    """Facts by source; what is live is filled first, by the code of what is live."""
    done: set[str] = set()
    filled: dict[str, int] = {}
    for one in sorted((one for one in versions if one.asked), key=lambda one: "live" not in one.roles):
        version = find(workspace.ledger, ModelRef(one.model, one.number))
        for source, counts in fill_fresh(workspace, version, now=now, watcher=watcher, done=done).items():
            filled[source] = filled.get(source, 0) + sum(counts.values())
            done |= counts.keys()
    return filled


def _put_aside(workspace: Workspace, now: datetime) -> Path | None:
    fresh = workspace.fresh
    try:
        fresh.verify()
    except DamagedFresh as error:
        if not isinstance(fresh, FreshValues):
            raise
        servers = living(workspace)
        if servers:  # whoever has the old file open would remove what belongs to the new one
            raise Refused(
                f"The fresh values in {fresh.path} are damaged and still in use by {', '.join(servers)}: "
                "stop what serves this workspace, fill them again, and start it"
            ) from error
        fresh.close()
        aside = fresh.path.with_name(f"{fresh.path.name}.damaged-{now:%Y%m%dT%H%M%S}")
        try:
            for tail in ("", "-wal", "-shm"):
                part = fresh.path.with_name(fresh.path.name + tail)
                if part.exists():
                    part.rename(aside.with_name(aside.name + tail))
        except OSError as failure:
            raise StorageError(f"Could not put {fresh.path} aside: {failure}; see to the folder's rights") from failure
        return aside
    return None
