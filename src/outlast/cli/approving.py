"""Commands of the people who are asked before a version goes live: approve, reject."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.registry.approvals import Approval, Decision, Standing

WHY = typer.Option("", "--reason", "-m", help="Why, in a sentence; it must be given.")


def approve(model: str = places.MODEL, reason: str = WHY, json: bool = places.JSON) -> None:
    """Agree to a version on its newest verdict."""
    _decide("approve", model, reason, json)


def reject(model: str = places.MODEL, reason: str = WHY, json: bool = places.JSON) -> None:
    """Stand against a version, until you approve it."""
    _decide("reject", model, reason, json)


def _decide(decision: "Decision", model: str, reason: str, json: bool) -> None:
    from outlast.control.operations import APPROVE, REJECT
    from outlast.control.shapes import Reasoned

    done = places.ask(APPROVE if decision == "approve" else REJECT, Reasoned(places.meant(model), reason))
    said, standing = done.said, done.standing
    if json:
        screen.as_json({**vars(said), "missing": standing.missing, "approved": [one.by for one in standing.approved],
                        "rejected": [one.by for one in standing.rejected], "looped": done.looped})  # fmt: skip
    else:
        _tell(said, standing, looped=done.looped)


def _tell(said: "Approval", standing: "Standing", *, looped: bool) -> None:
    name = f"{said.model}@{said.number}"
    if said.decision == "reject":
        print(f"{name} is rejected by {said.by}: it cannot go live until {said.by} approves it")
        return
    print(f"{name} is approved by {said.by} on verdict {said.verdict_digest[:12]}")
    if standing.rejected:
        print(f"It cannot go live while it is rejected by {', '.join(one.by for one in standing.rejected)}")
    elif standing.missing:
        print(f"It needs {standing.missing} more, by somebody else")
    elif looped:
        print("The loop brings it on by itself, with the next tick. Next: outlast tick, or outlast ab")
    else:
        print(f"Next: outlast promote {name}")
