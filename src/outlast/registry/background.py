"""Mirroring behind a person's back: in a process of its own, because MLflow takes seconds to import.

One such process runs in a workspace at a time. What is asked for meanwhile is left as a file, and the process looks
for those again after it has let go of its lock, so that no request is lost; `outlast tick` mirrors what a kill left.
"""

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from outlast.errors import OutlastError
from outlast.project.workspace import Workspace

if TYPE_CHECKING:
    from outlast.registry.mirror import Besides

OFF = "off"
"""The address that says: mirror nothing (MLFLOW_TRACKING_URI=off)."""

PROCESS = "outlast.evidence.card.mirroring"
"""The process, by its name, because it stands above this room: it also makes what is put beside each version."""

_log = logging.getLogger("outlast.mirror")
_LARGEST_LOG = 1 << 20


def mirror_later(workspace: Workspace, model: str) -> None:
    """Bring MLflow up to the ledger soon, without waiting for it; a failure is noted and never raised here."""
    if workspace.mlflow_uri == OFF:
        return
    folder = _folder(workspace)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / model).touch()
        with _alone(folder) as free:
            pass
        if free:
            _start(workspace.root)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("Model '%s' is mirrored to MLflow by the next `outlast tick`: %s", model, error)


def work(root: Path, beside: "Besides | None" = None) -> None:
    """Mirror every model that was asked for, until nothing is left to do or another process does it."""
    from outlast.registry.mirror import mirror

    workspace = Workspace.find(root)
    folder = _folder(workspace)
    while asked := sorted(folder.iterdir()):
        with _alone(folder) as free:
            if not free:
                return
            for request in asked:
                request.unlink(missing_ok=True)  # first, so that what is asked from here on is done again
                try:
                    mirror(workspace, request.name, beside=beside)
                except OutlastError as error:
                    _log.warning("Model '%s' is not mirrored to MLflow: %s", request.name, error)


def main(root: Path, beside: "Besides | None" = None) -> None:
    """The process itself: gentle, and with a log of its own."""
    os.nice(10)
    log = _folder(Workspace.find(root)).with_suffix(".log")
    large = log.exists() and log.stat().st_size > _LARGEST_LOG
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(filename=log, filemode="w" if large else "a", format=form, level=logging.INFO)
    try:
        work(root, beside)
    except Exception:  # the outermost edge of a process that nobody watches: its log is all there is
        _log.exception("The mirror stopped")
        raise


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "mirror"


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether this process is the one that mirrors; the lock goes with the process, however it ends."""
    with folder.with_suffix(".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _start(root: Path) -> None:
    # The shell ends at once, so that the process it leaves behind is nobody's child and outlives this one.
    command = [sys.executable, "-m", PROCESS, str(root)]
    subprocess.run(
        ["/bin/sh", "-c", '"$@" >/dev/null 2>&1 &', "sh", *command],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=10,
        start_new_session=True,
    )
