"""Commands about features: where one came from."""

from pathlib import Path

import typer

from outlast.cli import places, screen

app = typer.Typer(help="Features: where they come from.", no_args_is_help=True, rich_markup_mode=None)


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
