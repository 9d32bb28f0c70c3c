"""Commands that judge versions: gate, compare."""

import typer

from outlast.cli import places, screen


def gate(model: str = places.MODEL, json: bool = places.JSON, quiet: bool = places.QUIET) -> None:
    """Put every check to a version, and keep the verdict."""
    from outlast.cli import telling
    from outlast.control.operations import GATE, About

    with screen.Progress(quiet or json) as watcher:
        verdict = places.ask(GATE, About(places.meant(model)), watcher)
    if json:
        screen.as_json({**vars(verdict), "passed": verdict.passed})
    else:
        telling.verdict(verdict)
    if not verdict.passed:
        raise typer.Exit(3)


def compare(
    model: str = typer.Argument(..., help="A version, as NAME@7; alone, it is held against what is live."),
    other: str = typer.Argument(None, help="The version held against it, as NAME@8."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Hold two versions against each other on the same rows."""
    from outlast.cli.comparing import compared
    from outlast.gates.compare import compare as hold
    from outlast.registry.versions import find
    from outlast.types import ModelRef

    place = places.workspace()
    first = ModelRef.parse(model)
    second = ModelRef.parse(other) if other else first
    if other is None:
        first = ModelRef(first.name, "live")
        second = second if second.version is not None else ModelRef(second.name, "latest")
    older, newer = find(place.ledger, first), find(place.ledger, second)
    with screen.Progress(quiet or json) as watcher:
        found = hold(place, older, newer, watcher=watcher)
    if json:
        screen.as_json(found.plain())
    else:
        compared(found)
