"""Commands of those who act on answers: what was done with one, and the queue of what a person is to answer."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen
from outlast.errors import RequestError

if TYPE_CHECKING:
    from outlast.serving.queue import Waiting

queue = typer.Typer(help="What waits for people: list, claim, resolve.", no_args_is_help=True, rich_markup_mode=None)
SINCE = typer.Option("30d", "--since", help="How far back to look, such as 7d.")

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


@queue.command(name="list")
def list_(model: str = places.MODEL, since: str = SINCE, json: bool = places.JSON) -> None:
    """List what waits, oldest first."""
    from dataclasses import asdict

    from outlast.serving.queue import waiting
    from outlast.types import duration

    place = places.workspace()
    name = places.model_ref(model, place).name
    found = waiting(place, name, now=places.at(), since=duration(since))
    if json:
        screen.as_json([asdict(one) for one in found])
        return
    screen.table(
        ("prediction", "asked (UTC)", "why", "what was asked", "claimed by"),
        [(one.prediction_id, screen.moment(one.at), _why(one), _asked(one), one.claimed_by) for one in found],
        empty=f"Nothing of {name} waits for people; `[serving] queue` says what does",
    )


@queue.command()
def claim(
    prediction: str = typer.Argument(..., help="Its id, or how it begins."),
    hold: str = typer.Option("30m", "--for", help="How long it is yours, such as 2h."),
    json: bool = places.JSON,
) -> None:
    """Take a question for yourself for a while."""
    from outlast.journal.finding import the_prediction
    from outlast.serving.queue import claim as take
    from outlast.types import duration

    place, by = places.workspace(), places.who()
    found = the_prediction(place, prediction)
    name = found["prediction_id"]
    until = take(place, found["model"], name, by=by, now=places.at(), length=duration(hold))
    if json:
        screen.as_json({"prediction_id": name, "claimed_by": by, "claimed_until": until})
        return
    print(f"{name} is {by}'s until {screen.moment(until)} UTC. Next: outlast queue resolve {name} --as VALUE")


@queue.command()
def resolve(
    prediction: str = typer.Argument(..., help="Its id, or how it begins."),
    value: str = typer.Option(..., "--as", help='What it is, as JSON: true, 12.5, "setosa".'),
    comment: str = COMMENT,
    json: bool = places.JSON,
) -> None:
    """Say what it is: a label like any other."""
    from outlast.journal.journal import Journal
    from outlast.serving.labels import plain_of
    from outlast.serving.queue import Saying
    from outlast.serving.queue import resolve as keep

    place = places.workspace()
    with Journal(place) as journal:
        done = keep(place, journal, prediction, Saying(plain_of(value), comment), by=places.who(), now=places.at())
    if json:
        screen.as_json(vars(done))
        return
    print(f"{done.prediction_id} of {done.model} is {value}, says {done.by}; kept as its label")


def _why(one: "Waiting") -> str:
    if one.why == "refused":
        return f"refused: {'; '.join(one.reasons)}"
    scores = one.score if one.scores is None else one.scores
    return f"unsure: {screen.number(scores) if isinstance(scores, float) else scores}, {one.decision}"


def _asked(one: "Waiting") -> str:
    if one.asks is None:
        return "not kept: [journal] sample left it out"
    return ", ".join(f"{name}={value}" for name, value in one.asks.items())
