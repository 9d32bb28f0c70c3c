"""Commands that change what is live: promote, rollback."""

import typer

from outlast.cli import places, screen
from outlast.errors import Refused


def promote(
    model: str = places.MODEL,
    reason: str = places.REASON,
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Judge a version, and let it live if it passes."""
    from outlast.cli import telling
    from outlast.gates.promote import promote as let_out
    from outlast.registry.background import mirror_later

    place = places.workspace()
    ref = places.model_ref(model, place)
    try:
        with screen.Progress(quiet or json) as watcher:
            rollout, verdict = let_out(place, ref, by=places.who(), reason=reason, now=places.at(), watcher=watcher)
    except Refused as refusal:
        if json:
            screen.as_json({"refused": str(refusal), **refusal.details})
            raise typer.Exit(3) from None
        raise
    mirror_later(place, rollout.model)
    if json:
        screen.as_json({"rollout": vars(rollout), "verdict": verdict})
        return
    telling.checks(verdict)
    telling.absent(verdict.absent)
    print(f"{rollout.model}@{rollout.live} is live; before it: {rollout.previous or 'none'}")
    print("Next: outlast up, or outlast serve; servers that run take it by themselves")


def rollback(
    model: str = places.MODEL,
    reason: str = places.REASON,
    json: bool = places.JSON,
) -> None:
    """Bring back the version that was live before."""
    from outlast.gates.promote import roll_back
    from outlast.registry.background import mirror_later

    place = places.workspace()
    name = places.model_ref(model, place).name
    rollout = roll_back(place, name, by=places.who(), reason=reason, now=places.at())
    mirror_later(place, name)
    if json:
        screen.as_json(vars(rollout))
    else:
        print(f"{name}@{rollout.live} is live again; before it: {rollout.previous or 'none'}")
