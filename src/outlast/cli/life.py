"""Commands that change what is live: promote, rollback."""

import typer

from outlast.cli import places, screen
from outlast.errors import Refused


def promote(
    model: str = places.MODEL,
    reason: str = places.REASON,
    json: bool = places.JSON,
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress."),
) -> None:
    """Judge a version and make it live, or say which checks stand in the way."""
    from outlast.gates.promote import promote as let_out
    from outlast.registry.background import mirror_later

    place = places.workspace()
    ref = places.model_ref(model, place)
    watcher = screen.Progress(quiet or json)
    try:
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
    rows = [(check.name, "passed" if check.passed else "no", check.says) for check in verdict.checks]
    screen.table(("check", "", "evidence"), rows, empty="")
    print(f"not yet in this release: {', '.join(verdict.absent)}")
    print(f"{rollout.model}@{rollout.live} is live; before it: {rollout.previous or 'none'}")


def rollback(
    model: str = places.MODEL,
    reason: str = places.REASON,
    json: bool = places.JSON,
) -> None:
    """Make the version before live again."""
    from outlast.registry.background import mirror_later
    from outlast.registry.rollout import transition

    place = places.workspace()
    name = places.model_ref(model, place).name
    rollout = transition(
        place.ledger, name, action="rollback", to=None, by=places.who(), reason=reason, verdict=None, at=places.at()
    )
    mirror_later(place, name)
    if json:
        screen.as_json(vars(rollout))
    else:
        print(f"{name}@{rollout.live} is live again; before it: {rollout.previous or 'none'}")
