"""Commands that judge versions: gate, compare."""

import typer

from outlast.cli import places, screen


def gate(model: str = places.MODEL, json: bool = places.JSON, quiet: bool = places.QUIET) -> None:
    """Put every check to a version, and keep the verdict."""
    from outlast.cli import telling
    from outlast.control.operations import GATE
    from outlast.control.shapes import About

    with screen.Progress(quiet or json) as watcher:
        verdict = places.ask(GATE, About(places.meant(model)), watcher)
    if json:
        screen.as_json({**vars(verdict), "passed": verdict.passed})
    else:
        telling.verdict(verdict)
    if not verdict.passed:
        raise typer.Exit(3)


def compare(
    model: str = typer.Argument(
        None, help="A version, as NAME@7; alone, it is held against what is live. If left out, the newest."
    ),
    other: str = typer.Argument(None, help="The version held against it, as NAME@8."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Hold two versions against each other on the same rows."""
    from outlast.cli.comparing import compared
    from outlast.control.operations import COMPARE
    from outlast.control.shapes import Comparing

    with screen.Progress(quiet or json) as watcher:
        found = places.ask(COMPARE, Comparing(places.meant(model), other), watcher)
    if json:
        screen.as_json(found.plain())
    else:
        compared(found)
