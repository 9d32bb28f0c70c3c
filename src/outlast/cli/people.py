"""Commands of those who act on answers: what was done with one, and the queue of what a person is to answer."""

import typer

from outlast.cli import places, screen
from outlast.errors import RequestError

COMMENT = typer.Option(None, "--comment", "-m", help="Why, in a sentence.")


def act(
    subject: str = typer.Argument(
        ..., metavar="PREDICTION", help="A prediction's id or how it begins; with --key NAME."
    ),
    action: str = typer.Argument(None, help="followed, overridden or ignored; left out: a comment alone."),
    key: str = typer.Option(None, "--key", help="The key of a question, instead of a prediction."),
    comment: str = COMMENT,
    json: bool = places.JSON,
) -> None:
    """Tell what was done with an answer."""
    from msgspec.structs import asdict

    from outlast.serving.actions import act as keep

    if action is None and comment is None:
        hint = f"such as `outlast act {subject} followed`"
        raise RequestError(f"Nothing to keep: say followed, overridden or ignored, or --comment, {hint}")
    place = places.workspace()
    given = {"action": action, "comment": comment, **({} if key is None else {"key": key})}
    done = keep(place, subject, given, by=places.who())
    if json:
        screen.as_json(asdict(done))
        return
    print(f"{done.action.capitalize()} by {done.by}, kept with {done.prediction_id or f'{done.model}, key {key}'}")
