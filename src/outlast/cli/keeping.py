"""Commands that keep a whole workspace: backup, restore."""

from pathlib import Path

import typer

from outlast.cli import places, screen

TARGET = typer.Argument(..., help="A new file with a name in .tar, or a new folder.")
SOURCE = typer.Argument(..., help="What `outlast backup` wrote.")
INTO = typer.Option(None, "--into", help="A folder to put it in, made where there is none; else this workspace.")
FORCE = typer.Option(False, "--force", help="Move a workspace that is not empty aside.")


def backup(target: Path = TARGET, json: bool = places.JSON, quiet: bool = places.QUIET) -> None:
    """Copy the whole workspace, while it works."""
    from outlast.registry.backup.taking import backup as take
    from outlast.types import counted

    place = places.workspace()
    with screen.Progress(quiet or json) as watcher:
        taken = take(place, target, by=places.who(), now=places.at(), watcher=watcher)
    if json:
        screen.as_json(vars(taken))
        return
    parts = f"{counted(taken.tables, 'table')}, {counted(taken.artifacts, 'artifact')}, the audit trail up to entry"
    print(f"{target}: the ledger, {parts} {taken.audit}, {taken.bytes / 1e6:,.1f} MB; digest {taken.digest[:12]}")
    print(f"Not in it: {', '.join(taken.left_out)}")
    print(f"Try it: outlast restore {target} --into SOME-FOLDER")


def restore(
    source: Path = SOURCE,
    into: Path = INTO,
    force: bool = FORCE,
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Put a backup back, verified first."""
    from outlast.registry.backup.putting import place_for
    from outlast.registry.backup.putting import restore as put_back
    from outlast.serving.alive import living
    from outlast.settings import Settings

    place = places.workspace() if into is None else place_for(into, Settings.read())
    with screen.Progress(quiet or json) as watcher:
        found = put_back(
            place, source, by=places.who(), now=places.at(), force=force, served_by=living(place), watcher=watcher
        )
    if json:
        screen.as_json(vars(found))
        return
    print(f"{found.root} is as it was at {screen.moment(found.of)} UTC; models: {', '.join(found.models) or 'none'}")
    for note in found.notes:
        print(f"Note: {note}")
    if found.aside:
        print(f"What was there is in {found.aside}")
    print(f"Next: {'' if into is None else f'cd {into}, then '}outlast doctor")
