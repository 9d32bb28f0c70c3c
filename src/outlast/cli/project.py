"""Commands of a project before it is live: init, check, apply, train."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.project.loader import Project


def init(
    name: str = typer.Argument(..., help="The folder to make, and the name of its model."),
    json: bool = places.JSON,
) -> None:
    """Start a project that trains at once, on data it brings."""
    from outlast.project.template import start

    folder, files = start(Path.cwd(), name)
    if json:
        screen.as_json({"folder": str(folder), "files": files})
        return
    print(f"Made {name}/")
    for file in files:
        print(f"  {file}")
    print(f"Next: cd {name} && outlast train")


def check(json: bool = places.JSON) -> None:
    """Say what is wrong with contract, code and data."""
    from outlast.gates.checking import findings
    from outlast.project.loader import load_project

    project = load_project(Path.cwd(), places.workspace())
    where = {"where": "outlast.toml", "column": "monitoring", "blocks": False}
    found = [*findings(project), *({**where, "says": says} for says in _lost_routes(project))]
    if json:
        screen.as_json({"model": project.model.name, "findings": found})
    else:
        rows = [(f["where"], f["column"], f["says"], "yes" if f["blocks"] else "no") for f in found]
        screen.table(("where", "what", "finding", "blocks"), rows, empty=f"{project.model.name}: nothing is wrong")
    if any(f["blocks"] for f in found):
        raise typer.Exit(1)


def apply(json: bool = places.JSON) -> None:
    """Put outlast.toml's live parts in force: owner, gate, watch."""
    from outlast.control.operations import APPLY
    from outlast.control.shapes import Applying
    from outlast.gates.watching import doubtful_slices, idle
    from outlast.project.loader import load_project

    project = load_project(Path.cwd(), places.workspace())
    name = project.model.name
    done = places.ask(APPLY, Applying(name, project.contract.model_dump(mode="json")))
    changes, later = done.changes, done.waiting
    doubts = [f"{key} {says}" for key, says in (*idle(project), *doubtful_slices(project))] + _lost_routes(project)
    if json:
        there = {"changes": [vars(c) for c in changes], "waiting": [vars(c) for c in later]}
        screen.as_json({"model": name, **there, "doubts": doubts})
        return
    rows = [(change.key, _short(change.before), _short(change.after)) for change in changes]
    screen.table(("key", "before", "now"), rows, empty=f"{name}: what is in force says the same already")
    for change in later:
        print(f"{change.key} is part of a version: it changes with the next `outlast train`")
    for doubt in doubts:
        print(f"In force, and yet: {doubt}")


def _lost_routes(project: "Project") -> list[str]:
    from outlast.monitoring.telling.routes import trouble

    found = [trouble(route, here=False) for route in project.contract.monitoring.everyone]
    return [says for says in found if says]


def train(
    seed: int = typer.Option(None, "--seed", help="Instead of the contract's seed."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Train, evaluate, and register a version."""
    from outlast.cli import telling
    from outlast.project.loader import load_project
    from outlast.registry.background import mirror_later
    from outlast.training.run import train as run

    project = load_project(Path.cwd(), places.workspace())
    keeper = places.keeper(project.workspace)
    with screen.Progress(quiet or json) as watcher:
        trained = run(project, by=places.who(), now=places.at(), seed=seed, watcher=watcher, keeper=keeper)
    if keeper is None:
        mirror_later(project.workspace, trained.version.model)
    if json:
        screen.as_json({"version": vars(trained.version), "seconds": trained.seconds})
    else:
        telling.report(trained.version)


def adopt(
    place: str = typer.Argument(..., help="A joblib or pickle file, or MLflow's models:/NAME/3 or runs:/ID/NAME."),
    trust: bool = typer.Option(False, "--trust", help="Execute what the file says: you know who wrote it."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Register a model trained elsewhere, evaluated like any."""
    from outlast.cli import telling
    from outlast.project.loader import load_project
    from outlast.registry.background import mirror_later
    from outlast.training.adopt import adopt as take

    project = load_project(Path.cwd(), places.workspace())
    keeper = places.keeper(project.workspace)
    with screen.Progress(quiet or json) as watcher:
        done = take(project, place, trust=trust, by=places.who(), now=places.at(), watcher=watcher, keeper=keeper)
    if keeper is None:
        mirror_later(project.workspace, done.version.model)
    if json:
        screen.as_json({"version": vars(done.version), "seconds": done.seconds})
    else:
        telling.report(done.version)


def dataset(
    model: str = places.MODEL,
    as_of: str = places.AS_OF,
    out: Path = typer.Option(None, "--out", "-o", help="A .parquet or .csv file to write; if left out, a summary."),
    json: bool = places.JSON,
) -> None:
    """Write the training set: asks, features, labels as known then."""
    from outlast.cli.telling import training_set
    from outlast.training.frame import frame_of, meant, write

    place = places.workspace()
    found = frame_of(meant(place, places.model_wanted(model, place), Path.cwd()), as_of=as_of or places.at())
    if out is not None:
        write(found.rows, out)
    if json:
        screen.as_json({**found.summary(), "out": None if out is None else str(out)})
    else:
        training_set(found, out)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
