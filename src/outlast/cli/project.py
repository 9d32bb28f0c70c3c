"""Commands of a project before it is live: init, check, apply, train."""

from pathlib import Path
from typing import Any

import typer

from outlast.cli import places, screen


def init(
    name: str = typer.Argument(..., help="The folder to make, and the name of its model."),
    json: bool = places.JSON,
) -> None:
    """Start a project that trains at once on data it brings."""
    from outlast.project.template import start

    folder, files = start(Path.cwd(), name)
    if json:
        screen.as_json({"folder": str(folder), "files": files})
        return
    print(f"Made {name}/ with {', '.join(files)}")
    print(f"Next: cd {name} && outlast train")


def check(json: bool = places.JSON) -> None:
    """Say what is wrong with the contract, the model and the data, before anything is trained."""
    from outlast.project.loader import load_project
    from outlast.training.checking import findings

    project = load_project(Path.cwd(), places.workspace())
    found = findings(project)
    if json:
        screen.as_json({"model": project.model.name, "findings": found})
    else:
        rows = [(f["where"], f["column"], f["says"], "yes" if f["blocks"] else "no") for f in found]
        screen.table(("where", "column", "finding", "blocks"), rows, empty=f"{project.model.name}: nothing to report")
    if any(f["blocks"] for f in found):
        raise typer.Exit(1)


def apply(json: bool = places.JSON) -> None:
    """Bring the live parts of outlast.toml (owner, runbook, monitoring, gate, retraining) into force."""
    from outlast.project.loader import load_project
    from outlast.registry.contracts import apply as bring

    project = load_project(Path.cwd(), places.workspace())
    name = project.model.name
    changes = bring(project.workspace.ledger, name, project.contract, by=places.who(), at=places.at())
    if json:
        screen.as_json({"model": name, "changes": [vars(change) for change in changes]})
        return
    rows = [(change.key, _short(change.before), _short(change.after)) for change in changes]
    screen.table(("key", "before", "now"), rows, empty=f"{name}: the live contract already says so")


def train(
    seed: int = typer.Option(None, "--seed", help="Instead of the contract's seed."),
    json: bool = places.JSON,
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress."),
) -> None:
    """Train on what was known at the cutoff, evaluate, and register a version."""
    from outlast.project.loader import load_project
    from outlast.registry.background import mirror_later
    from outlast.training.run import train as run

    project = load_project(Path.cwd(), places.workspace())
    watcher = screen.Progress(quiet or json)
    trained = run(project, by=places.who(), now=places.at(), seed=seed, watcher=watcher)
    mirror_later(project.workspace, trained.version.model)
    if json:
        screen.as_json({"version": vars(trained.version), "seconds": trained.seconds})
        return
    _told(trained)


def _told(trained: Any) -> None:
    version, summary = trained.version, trained.version.summary
    rows = summary["rows"]
    print(f"{version} trained on {rows['train']:,} rows, tested on the {rows['test']:,} after them")
    print(
        f"  of {rows['asked']:,} asked: {rows['labelled']:,} labelled, {rows['never']:,} never, "
        f"{rows['not_yet']:,} not yet, {rows['embargoed']:,} embargoed"
    )
    for name, found in summary["metrics"].items():
        print(f"  {name:<10} {screen.interval(found)}")
    print(f"  value      {value_line(summary['value'])}")
    for violation in summary["violations"]:
        print(f"  {'blocks' if violation['blocks'] else 'warning'}: {violation['source']}: {violation['says']}")
    print(f"  not yet in this release: {', '.join(summary['absent'])}")
    print(f"Next: outlast promote {version}")


def value_line(value: dict[str, Any] | None) -> str:
    """What the decisions are worth, in a line."""
    if value is None:
        return "not known: the contract names no payoffs"
    return (
        f"{value['per_decision']:+,.3g} {value['currency']} a decision against '{value['against']}' "
        f"({value['low']:+,.3g} to {value['high']:+,.3g}); "
        f"{value['per_decision'] * value['decisions']:+,.0f} {value['currency']} over the {value['decisions']:,} tested"
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
