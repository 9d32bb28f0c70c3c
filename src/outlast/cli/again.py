"""The command that makes a version again."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.training.reproduce.again import Reproduced


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
        _tell(found)
    if found.equal is not True:
        raise typer.Exit(1)


def _tell(found: "Reproduced") -> None:
    """The sentence, the sources, and what was put in that is not to blame."""
    evidence = found.evidence
    screen.sentence(found.sentence)
    for name, one in evidence.get("sources", {}).items():
        rows = f"{one['rows_then']:,} rows then, {one['rows']:,} now"
        screen.line("source", f"{name}: {'as it was' if one['then'] == one['now'] else f'changed, {rows}'}")
    changed, causes = evidence.get("changed", {}), evidence.get("causes", [])
    for part, says in changed.items():
        if not found.equal and part not in causes and causes != ["together"]:
            alone = ", which alone changes nothing" if changed.keys() & set(causes) else ""
            screen.line("put in", f"{part}: {says}{alone}")
