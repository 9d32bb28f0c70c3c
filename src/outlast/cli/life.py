"""Commands that change what is live: promote, withdraw, rollback, retire, transfer."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen
from outlast.errors import Refused, SettingsError, nearest

if TYPE_CHECKING:
    from outlast.registry.rollout import Rollout

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
    from outlast.control.operations import PROMOTE
    from outlast.control.shapes import Promoting

    _require_usage(to, share)
    asked = Promoting(places.meant(model), reason, to, share)
    try:
        with screen.Progress(quiet or json) as watcher:
            done = places.ask(PROMOTE, asked, watcher)
    except Refused as refusal:
        if json:
            screen.as_json({"refused": str(refusal), **refusal.details})
            raise typer.Exit(3) from None
        raise
    rollout, verdict = done.rollout, done.verdict
    if json:
        screen.as_json({"rollout": vars(rollout), "verdict": verdict})
        return
    telling.checks(verdict)
    telling.absent(verdict.absent)
    print(_now(rollout))
    print(_then(rollout))


def _require_usage(to: str, share: float | None) -> None:
    from outlast.registry.rollout import ANSWERING, STAGES

    known = ("live", "advice", *STAGES)
    if to not in known:
        raise SettingsError(f"--to is '{to}', which is no place for a version: {nearest(to, known)}")
    if (share is not None) != (to in ANSWERING):
        verb = "takes no" if share is not None else "needs a"
        raise SettingsError(f"--to {to} {verb} --share: it is the percent of requests that a canary or ab answers")
    if share is not None and not 0 < share < 100:
        raise SettingsError(f"--share is {share:g}: expected a percentage above 0 and below 100")


def withdraw(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Take the challenger beside the live version away."""
    from outlast.control.operations import WITHDRAW
    from outlast.control.shapes import Reasoned

    _tell(places.ask(WITHDRAW, Reasoned(places.meant(model), reason)), json)


def rollback(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Undo what users see: no challenger, or the version before."""
    from outlast.control.operations import ROLLBACK
    from outlast.control.shapes import Reasoned

    _tell(places.ask(ROLLBACK, Reasoned(places.meant(model), reason)), json, again=" again")


def retire(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Take a model off, or bar one version, as NAME@VERSION."""
    from outlast.control.operations import RETIRE
    from outlast.control.shapes import Reasoned

    asked = Reasoned(places.meant(model), reason)
    done = places.ask(RETIRE, asked)
    if asked.model is not None and asked.ref.version is not None and not json:
        print(f"{asked.model} is retired: nothing brings it back without a new verdict")
    _tell(done, json)


def transfer(
    model: str = places.MODEL,
    to: str = typer.Option(..., "--to", help="The environment of workspace.toml that it is brought to."),
    json: bool = places.JSON,
) -> None:
    """Bring a version, with its evidence, to another environment."""
    from outlast.control.operations import TRANSFER
    from outlast.control.shapes import Moving
    from outlast.types import counted

    done = places.ask(TRANSFER, Moving(places.meant(model), to))
    if json:
        screen.as_json(done)
        return
    word = "is already" if done.already else "is now"
    print(f"{done.version} {word} {done.there} in {done.environment}, bundle {done.there.digest[:12]}")
    print(f"with {counted(done.verdicts, 'verdict')} and {counted(done.approvals, 'approval')}; it is not live by that")
    print(f"Next, there: OUTLAST_ENV={done.environment} outlast promote {done.there}")


def _tell(done: "Rollout", json: bool, again: str = "") -> None:
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
    end = beside or f"; before it: {rollout.previous or 'none'}"
    return f"{rollout.model}@{rollout.live} is live{as_it}{again}{end}"


def _then(rollout: "Rollout") -> str:
    """What comes after a promotion."""
    if rollout.challenger is not None:
        beside = f"{rollout.model}@{rollout.challenger}"
        return f"Servers that run ask it too, by themselves. Next: outlast promote {beside}, or outlast withdraw"
    return "Next: outlast up, or outlast serve; servers that run take it by themselves"
