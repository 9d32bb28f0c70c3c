"""The command that makes a version again."""

import textwrap
from typing import Any

import typer

from outlast.cli import places, screen


def reproduce(
    model: str = places.MODEL,
    from_sources: bool = typer.Option(False, "--from-sources", help="Put the rows that the sources give today."),
    code: str = typer.Option(None, "--code", help="Put this code: a folder, or 'here' for the project's."),
    environment: str = typer.Option(None, "--environment", help="Put 'here', or a file with pins such as a==1.2."),
    seed: int = typer.Option(None, "--seed", help="Put this seed."),
    threads: int = typer.Option(None, "--threads", min=1, help="Put so many threads."),
    against: str = typer.Option(None, "--against", help="Put all of another version, as NAME@8."),
    fresh: bool = typer.Option(False, "--fresh", help="Make the environment anew, if one was made before."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Train a version again from what was kept: equal, or why not."""
    from outlast.registry.versions import find
    from outlast.training.reproduce.again import reproduce as again
    from outlast.training.reproduce.changes import Instead

    place = places.workspace()
    version = find(place.ledger, places.model_ref(model, place))
    other = None if against is None else find(place.ledger, places.model_ref(against, place))
    instead = Instead(code, environment, seed, threads, from_sources, other)
    with screen.Progress(quiet or json) as watcher:
        found = again(place, version, instead, anew=fresh, watcher=watcher)
    if json:
        screen.as_json(vars(found))
    else:
        _tell(found.sentence, found.evidence)
    if found.equal is not True:
        raise typer.Exit(1)


def _tell(sentence: str, evidence: dict[str, Any]) -> None:
    print(textwrap.fill(sentence, screen.width()))
    for name, one in evidence.get("sources", {}).items():
        rows = f"{one['rows_then']:,} rows then, {one['rows']:,} now"
        screen.line("source", f"{name}: {'as it was' if one['then'] == one['now'] else f'changed, {rows}'}")
    for part, says in evidence.get("changed", {}).items():
        screen.line("put in", f"{part}: {says}")
