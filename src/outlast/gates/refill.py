"""Filling fresh values from history, as every promotion fills them: for one model, or anew for all of a workspace."""

from datetime import datetime
from pathlib import Path

from outlast.bundle.ingest import Watcher
from outlast.errors import Refused, StorageError
from outlast.gates.promote import fill_fresh
from outlast.project.workspace import Workspace
from outlast.registry import rollout
from outlast.registry.versions import find
from outlast.serving.alive import living
from outlast.storage.fresh import DamagedFresh, FreshValues
from outlast.types import ModelRef


def refill(workspace: Workspace, *, now: datetime) -> tuple[dict[str, int], Path | None]:
    """Bring fresh values up to the sources' history, for what is live and what a rollback brings back.

    A damaged file is put aside first. Gives how many facts each source had, and where the damaged file is now.
    """
    aside = _put_aside(workspace, now)
    filled: dict[str, int] = {}
    for state in rollout.live(workspace.ledger):
        filled |= backfill(workspace, state.model, now=now)
    return filled, aside


def backfill(workspace: Workspace, model: str, *, now: datetime, watcher: Watcher | None = None) -> dict[str, int]:
    """Bring fresh values up to history for the versions of a model that answer, or that a rollback brings back.

    Facts go in by thousands, each such part all or none, and one that is there already changes nothing: a fill that is
    stopped half-way has lost and doubled nothing, and the next one completes it. Gives how many facts each source has.
    """
    state = rollout.current(workspace.ledger, model)
    filled: dict[str, int] = {}
    for number in (state.live, state.previous):
        if number is not None:
            version = find(workspace.ledger, ModelRef(model, number))
            filled |= fill_fresh(workspace, version, now=now, watcher=watcher)
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
