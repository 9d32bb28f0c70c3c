"""Commands about features: which sets are shared, whether their examples hold, where a feature came from."""

from functools import partial
from pathlib import Path

import typer

from outlast.cli import places, screen

app = typer.Typer(
    help="Features: shared sets, and where a feature came from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def listed(json: bool = places.JSON) -> None:
    """List shared sets: freshness, missing values, users, meaning."""
    from outlast.cli.telling_features import sets
    from outlast.journal.missing import missing_lately
    from outlast.registry.sets import catalog

    place, now = places.workspace(), places.at()
    found = catalog(place, now=now, lately=partial(missing_lately, place, now=now))
    if json:
        screen.as_json(found)
    else:
        sets(found, f"No set of features is used in {place.root}: a model names one with features=[Features(…)]")


@app.command()
def show(
    name: str = typer.Argument(..., help="The set, as NAME or NAME@VERSION."),
    json: bool = places.JSON,
) -> None:
    """Show a set: meaning, owner, facts, columns, versions."""
    from outlast.cli.telling_features import one_set
    from outlast.journal.missing import missing_lately
    from outlast.registry.sets import find_set

    place, now = places.workspace(), places.at()
    found, versions = find_set(place, name, now=now, lately=partial(missing_lately, place, now=now))
    if json:
        screen.as_json({"set": found, "versions": versions})
    else:
        one_set(name, found, versions)


@app.command("test")
def run_examples(
    name: str = typer.Argument(None, help="The set; if left out, every set of this workspace's code."),
    json: bool = places.JSON,
) -> None:
    """Test sets: examples both ways, and functions alone and in batches."""
    from outlast.cli.telling_features import tests
    from outlast.training.sets.trial import try_sets

    place = places.workspace()
    found, unread = try_sets(place, Path.cwd(), name)
    if json:
        screen.as_json({"sets": found, "unread": unread})
    else:
        tests(found, unread, f"No code in {place.root} declares a set: write one with Features('name', [...])")
    if (unread and name is None) or not all(one.passed for one in found):
        raise typer.Exit(1)


@app.command()
def explain(
    model: str = places.MODEL,
    key: str = typer.Option(..., "--key", help="The question's key; several parts are joined by commas."),
    as_of: str = places.AS_OF,
    json: bool = places.JSON,
) -> None:
    """Show a question's features and the facts behind each."""
    from outlast.cli.telling_features import explained
    from outlast.training.explain import explain as behind
    from outlast.training.frame import meant, moment_of

    place = places.workspace()
    project = meant(place, places.model_wanted(model, place), Path.cwd())
    found = behind(project, key, None if as_of is None else moment_of(as_of))
    if json:
        screen.as_json(found)
    else:
        explained(found)
