"""What passes between a story and its servers around a tick: before it what they journaled, after it what it changed.

A tick counts what is in finished segments. What it lets out is taken up within a second, which is hours of a story.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from outlast.clock import Hand
from outlast.errors import Unavailable
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.registry.rollout import current
from outlast.serving.alive import living
from outlast.storage import appendlog
from outlast.storage.ledger import Ledger
from outlast.storage.records import HEADER_SIZE

Roles = set[tuple[int, str | None]]
"""Versions, each with the stage of a challenger, or None where it is live."""

_PATIENCE = 60.0
_LOOK, _AGAIN = 0.003, 0.2


def hand_over(workspace: Workspace, hand: Hand) -> None:
    """Halt the story until every server of it has finished its segments; Unavailable where one does not go by it.

    Asked again every so often: what a shadow said is written a moment after it was asked.
    """
    hand.halt()
    again = time.monotonic() + _AGAIN

    def handed() -> bool:
        nonlocal again
        if time.monotonic() > again:
            hand.halt()
            again += _AGAIN
        return not any(_kept_back(workspace.log_root))

    _wait(
        handed,
        f"A server in {workspace.root} does not hand its journal over, so it goes by another clock: start it with "
        f"OUTLAST_CLOCK={hand.path}, or let the replay start one",
    )


def take_up(workspace: Workspace, model: str) -> None:
    """Halt the story until every server of it answers with what is to answer, but those that could not load it."""
    wanted, servers = current(workspace.ledger, model), living(workspace)
    if wanted.live is None:
        return
    roles: Roles = {(wanted.live, None)}
    if wanted.challenger is not None:
        roles.add((wanted.challenger, wanted.stage))
    _wait(
        lambda: _taken(workspace.ledger, model, roles, servers),
        f"A server in {workspace.root} has not taken up what is to answer for {model} within {_PATIENCE:.0f} s: see "
        "what it says in its log, and whether it reaches the ledger",
    )


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Unavailable(otherwise)
        time.sleep(_LOOK)


def _taken(ledger: Ledger, model: str, roles: Roles, servers: Sequence[str]) -> bool:
    """Whether servers have brought and let go what they should; one that has none of the model serves others."""
    has: dict[str, Roles] = {}
    for one in served.open_spans(ledger):
        if one.model == model and one.server in servers:
            has.setdefault(one.server, set()).add((one.version, one.role))
    behind = {server for server, here in has.items() if here != roles}
    if not behind:
        return True
    versions = {version for version, _ in roles}
    return behind <= {one.server for one in served.troubles(ledger, model) if one.version in versions}


def _kept_back(root: Path) -> Iterator[appendlog.Segment]:
    """The segments that somebody writes to."""
    for folder in {path.parent for path in root.rglob("*.log")}:
        for one in appendlog.segments(root, folder.relative_to(root).as_posix()):
            if one.live and one.path.exists() and one.path.stat().st_size > HEADER_SIZE:
                yield one
