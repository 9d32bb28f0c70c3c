"""What the server has journaled, handed over before a tick: a tick counts what is in finished segments."""

import time
from collections.abc import Iterator
from pathlib import Path

from outlast.clock import Hand
from outlast.errors import Unavailable
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.storage.records import HEADER_SIZE

_PATIENCE = 60.0
_LOOK, _AGAIN = 0.003, 0.2


def hand_over(workspace: Workspace, hand: Hand) -> None:
    """Halt the story until every server of it has finished its segments; Unavailable where one does not go by it.

    Asked again every so often: what a shadow said is written a moment after it was asked.
    """
    hand.halt()
    deadline, again = time.monotonic() + _PATIENCE, time.monotonic() + _AGAIN
    while any(_kept_back(workspace.log_root)):
        if time.monotonic() > again:
            hand.halt()
            again += _AGAIN
        if time.monotonic() > deadline:
            raise Unavailable(
                f"A server in {workspace.root} does not hand its journal over, so it goes by another clock: start it "
                f"with OUTLAST_CLOCK={hand.path}, or let the replay start one"
            )
        time.sleep(_LOOK)


def _kept_back(root: Path) -> Iterator[appendlog.Segment]:
    """The segments that somebody writes to."""
    for folder in {path.parent for path in root.rglob("*.log")}:
        for one in appendlog.segments(root, folder.relative_to(root).as_posix()):
            if one.live and one.path.exists() and one.path.stat().st_size > HEADER_SIZE:
                yield one
