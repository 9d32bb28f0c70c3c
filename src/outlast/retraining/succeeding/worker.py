"""The process of a run: holds its lease while it works, and ends when that is lost or its time is over."""

import os
import sys
import threading
from datetime import datetime
from pathlib import Path

from outlast.errors import OutlastError
from outlast.project.workspace import Workspace
from outlast.registry.contracts import contract_of
from outlast.registry.versions import find
from outlast.retraining.deciding.records import Step
from outlast.retraining.succeeding.runs import SECONDS, holder_of, lease_of, wall
from outlast.retraining.succeeding.state import Run, standing
from outlast.retraining.succeeding.training import conclude, succeed
from outlast.storage.ledger import leases
from outlast.types import ModelRef, clock_from, duration

_KIND = 10
"""By how much what answers requests goes before it on a busy machine."""
LOST, OVER = 75, 76


def main(root: str, model: str, holder: str) -> None:
    """Do the run that is noted for a model, if it is still this process's to do."""
    os.nice(_KIND)
    workspace = Workspace.find(Path(root))
    run = standing(workspace.ledger, model).run
    if run is None or holder_of(run) != holder:
        return
    ended = threading.Event()
    for target in (_hold, _bound):
        threading.Thread(target=target, args=(workspace, model, run, ended), daemon=True).start()
    step = succeed(workspace, model, run)
    ended.set()
    leases.release(workspace.ledger, lease_of(model), holder)
    print(step.sentence, flush=True)


def _hold(workspace: Workspace, model: str, run: Run, ended: threading.Event) -> None:
    """Renew the lease; a process that lost it ends, since another does its work."""
    seen: datetime = wall()
    while not ended.wait(SECONDS / 6):
        try:
            if not leases.renew(workspace.ledger, lease_of(model), holder_of(run), SECONDS, wall()):
                os._exit(LOST)
            seen = wall()
        except OutlastError as error:
            print(f"the lease could not be renewed: {error.sentence}", file=sys.stderr, flush=True)
            if (wall() - seen).total_seconds() > SECONDS:
                os._exit(LOST)


def _bound(workspace: Workspace, model: str, run: Run, ended: threading.Event) -> None:
    """End a run that takes longer than the contract allows, and say so."""
    clock = clock_from(run.at)
    limit = contract_of(workspace, find(workspace.ledger, ModelRef(model))).retraining.limit
    if not ended.wait(duration(limit).total_seconds()):
        says = f"training and judging a successor took longer than {limit}, which [retraining] limit allows"
        conclude(workspace, model, run, Step("failed", says, run.trigger), None, clock())
        leases.release(workspace.ledger, lease_of(model), holder_of(run))
        os._exit(OVER)


if __name__ == "__main__":
    main(*sys.argv[1:])
