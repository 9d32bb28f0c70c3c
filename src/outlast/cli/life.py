"""Commands that change what is live: promote, withdraw, rollback, retire."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen
from outlast.errors import Refused

if TYPE_CHECKING:
    from outlast.project.workspace import Workspace
    from outlast.registry.rollout import Rollout
    from outlast.types import ModelRef

TO = typer.Option("live", "--to", help="live, advice (answers are marked), shadow, canary or ab (beside what is live).")
SHARE = typer.Option(None, "--share", help="Percent of the requests that a canary or ab answers.")


def promote(
    model: str = places.MODEL,
    to: str = TO,
    share: float = SHARE,
    reason: str = places.REASON,
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Let a version live, or stand beside it, if it passes."""
    from outlast.cli import telling
    from outlast.gates.promote import promote as let_out
    from outlast.registry.background import mirror_later

    place = places.workspace()
    ref, who = places.model_ref(model, place), places.who()
    try:
        with screen.Progress(quiet or json) as watcher:
            rollout, verdict = let_out(
                place, ref, by=who, reason=reason, now=places.at(), watcher=watcher, to=to, share=share
            )
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
    print(_now(rollout))
    print("Next: outlast up, or outlast serve; servers that run take it by themselves")


def withdraw(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Take the challenger beside the live version away."""
    from outlast.registry.rollout import transition

    place = places.workspace()
    ref = places.model_ref(model, place)
    number = _number(place, ref)
    done = transition(
        place.ledger, ref.name, action="withdraw", to=number, by=places.who(), reason=reason, at=places.at()
    )
    _tell(place, done, json)


def rollback(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Undo what users see: no challenger, or the version before."""
    from outlast.gates.promote import roll_back

    place = places.workspace()
    name = places.model_ref(model, place).name
    done = roll_back(place, name, by=places.who(), reason=reason, now=places.at())
    _tell(place, done, json, again=" again")


def retire(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Take a model off, or bar one version, as NAME@VERSION."""
    from outlast.registry.rollout import transition

    place = places.workspace()
    ref = places.model_ref(model, place)
    number = _number(place, ref)
    done = transition(
        place.ledger, ref.name, action="retire", to=number, by=places.who(), reason=reason, at=places.at()
    )
    if number is not None and not json:
        print(f"{ref.name}@{number} is retired: nothing brings it back without a new verdict")
    _tell(place, done, json)


def _number(place: "Workspace", ref: "ModelRef") -> int | None:
    from outlast.registry.versions import find

    return None if ref.version is None else find(place.ledger, ref).number


def _tell(place: "Workspace", done: "Rollout", json: bool, again: str = "") -> None:
    from outlast.registry.background import mirror_later

    mirror_later(place, done.model)
    if json:
        screen.as_json(vars(done))
    else:
        print(_now(done, again))


def _now(rollout: "Rollout", again: str = "") -> str:
    """What is live after a change, in a line."""
    if rollout.live is None:
        return f"Nothing of {rollout.model} is live; a rollback brings back: {rollout.previous or 'nothing'}"
    beside = ""
    if rollout.challenger is not None:
        beside = f"; beside it {rollout.model}@{rollout.challenger} as {rollout.of(rollout.challenger)}"
    as_it = " as advice" if rollout.advice else ""
    return f"{rollout.model}@{rollout.live} is live{as_it}{again}{beside}; before it: {rollout.previous or 'none'}"
