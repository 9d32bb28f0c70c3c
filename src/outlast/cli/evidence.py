"""Commands that put evidence together: card, ready, weekly."""

from pathlib import Path

import typer

from outlast.cli import places, screen

HTML = typer.Option(None, "--html", help="Write it as one HTML file.")
MD = typer.Option(None, "--md", help="Write it as Markdown into a file.")
WORDS = {True: "yes", False: "NO ", None: "?  "}


def card(model: str = places.MODEL, html: Path = HTML, md: Path = MD, json: bool = places.JSON) -> None:
    """Write a version's model card, from all that is kept."""
    from outlast.control.operations import CARD, SHOW
    from outlast.control.shapes import About
    from outlast.evidence.card.markdown import markdown
    from outlast.evidence.card.page import drawn, page
    from outlast.evidence.card.saving import save

    found = places.ask(CARD, About(places.meant(model)))
    if json:
        screen.as_json(found.plain())
    elif html is None and md is None:
        print(markdown(found), end="")
    made = {}
    if html is not None:
        version = places.ask(SHOW, About(f"{found.model}@{found.number}")).version
        made[html] = page(found, drawn(version.summary))
    if md is not None:
        made[md] = markdown(found)
    for file, text in made.items():
        save(file, text)
        if not json:
            print(f"{file}: the card of {found.model}@{found.number}")


def ready(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Ask what decides whether a model lasts."""
    from outlast.control.operations import READY
    from outlast.control.shapes import About

    found = places.ask(READY, About(places.meant(model)))
    if json:
        screen.as_json(found.plain())
    else:
        for group, answers in found.groups.items():
            print(group)
            for one in answers:
                says = f"{one.question} {one.rests_on}" + (f". Next: {one.next}" if one.next else "")
                screen.line(WORDS[one.yes], says)
        told = f"{found.count(True)} yes, {found.count(False)} no, {found.count(None)} not known"
        print(f"{found.version}: {told}{'' if found.ready else '; not ready to last'}")
    if not found.ready:
        raise typer.Exit(3)


def weekly(
    model: str = places.MODEL,
    until: str = typer.Option(None, "--until", help="The day after the last one, such as 2013-07-08; today."),
    output: Path = typer.Option(None, "--output", "-o", help="A file to write it into: .html, or .md with pictures."),
    json: bool = places.JSON,
) -> None:
    """Write a model's week on one page, with what to do next."""
    from outlast.control.operations import WEEKLY
    from outlast.control.shapes import OfWeek
    from outlast.evidence.weekly.paper import markdown, put, require_kind

    if output is not None:
        require_kind(output)
    wanted = OfWeek(places.meant(model), places.moment_of(until), pictures=output is not None)
    found = places.ask(WEEKLY, wanted)
    files = [] if output is None else put(found, output)
    if json:
        screen.as_json({**found.plain(), "files": [str(file) for file in files]})
    elif output is None:
        print(markdown(found.sheet), end="")
    for file in files if not json else ():
        print(f"{file}: the week of {found.model} from {found.since:%Y-%m-%d} to {found.last:%Y-%m-%d}")
