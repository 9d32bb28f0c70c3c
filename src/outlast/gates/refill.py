"""Filling fresh values anew, as every promotion fills them, when their file was damaged or lost."""

from datetime import datetime
from pathlib import Path

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
        for number in (state.live, state.previous):
            if number is not None:
                version = find(workspace.ledger, ModelRef(state.model, number))
                filled |= fill_fresh(workspace, version, now=now)
    return filled, aside


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
