"""Commands that only read: versions, show, why, history, monitor, feeds, doctor."""

from pathlib import Path
from typing import Any

import typer

from outlast.cli import places, screen
from outlast.errors import NotFound, StorageError

_REFUSALS = 10
"""Lines of what could not be loaded, the newest."""


def versions(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """List versions, and which of them is live."""
    from outlast.control.operations import VERSIONS
    from outlast.control.shapes import About

    done = places.ask(VERSIONS, About(places.meant_if_any(model)))
    found, state = done.versions, done.states
    if json:
        screen.as_json([{**vars(v), "state": state[v.model].get(v.number, "")} for v in found])
        return
    screen.table(
        ("version", "state", "trained (UTC)", "by", "metric", "value", "digest"),
        [
            (v, state[v.model].get(v.number, ""), screen.moment(v.created_at), v.created_by, *_main(v), v.digest[:12])
            for v in found
        ],
        empty=f"No model has been trained {places.where()}: train one with `outlast train`",
    )


def show(
    model: str = places.MODEL,
    pictures: Path = typer.Option(None, "--pictures", help="A folder to draw its evaluation into, as SVG and PNG."),
    json: bool = places.JSON,
) -> None:
    """Show a version: figures, features, promises, verdict."""
    from outlast.cli.telling import card
    from outlast.control.operations import SHOW
    from outlast.control.shapes import About

    done = places.ask(SHOW, About(places.meant(model)))
    version, verdict, state = done.version, done.verdict, done.state
    drawn = None if pictures is None else _drawn(version, pictures)
    if json:
        made = {} if drawn is None else {"pictures": drawn, "undrawn": _undrawn(version)}
        screen.as_json({**vars(version), "state": state, "verdict": verdict, "costs": done.costs, **made})
        return
    card(version, state, verdict, done.costs)
    for file in drawn or []:
        screen.line("picture", file)
    for name, says in (_undrawn(version) if drawn else {}).items():
        screen.line("no picture", f"{name}: {says}")


def why(
    model: str = places.SUBJECT,
    explain: bool = typer.Option(False, "--explain", help="Of a prediction: say what each feature added."),
    json: bool = places.JSON,
) -> None:
    """Say what made a version, or gave a prediction, and let it out."""
    from outlast.cli.telling_why import told
    from outlast.control.operations import WHY
    from outlast.control.shapes import Asking

    found = places.ask(WHY, Asking(places.meant(model), explain=explain))
    if json:
        screen.as_json(found.plain())
    else:
        told(found)


def history(
    model: str = places.MODEL,
    at: str = typer.Option(None, "--at", help="Only what was so at this moment, such as 2026-11-01T12:00Z."),
    json: bool = places.JSON,
) -> None:
    """Say what was served when, and who made it so."""
    from outlast.control.operations import HISTORY
    from outlast.control.shapes import About
    from outlast.types import utc

    done = places.ask(HISTORY, About(places.meant(model)))
    name, steps, found, refused = done.model, done.transitions, done.served, done.refused
    moment = places.moment_of(at)
    if moment is not None:
        then = utc(moment)
        steps = [s for s in steps if s.at <= then][-1:]
        found = [s for s in found if s.since <= then and (s.until is None or then < s.until)]
        refused = []
    if json:
        said = {"model": name, "transitions": [vars(s) for s in steps], "served": [vars(s) for s in found]}
        screen.as_json({**said, "refused": [vars(s) for s in refused]})
        return
    screen.table(
        ("at (UTC)", "what", "from", "to", "by", "reason"),
        [(screen.moment(s.at), s, s.from_version, s.to_version, s.by, s.reason) for s in steps],
        empty=f"{name} was not live then" if at else f"{name} has never been live: promote a version of it",
    )
    print()
    screen.table(
        ("served from (UTC)", "until", "version", "as", "server"),
        [
            (screen.moment(s.since), screen.moment(s.until) or "now", s.version, s.role or "live", s.server)
            for s in found
        ],
        empty=f"No server served {name} then" if at else f"No server has served {name}: start one, `outlast serve`",
    )
    if refused:
        print()
        rows = [(screen.moment(s.at), s.version, s.server, s.says) for s in refused[-_REFUSALS:]]
        screen.table(("could not be loaded at (UTC)", "version", "server", "because"), rows, empty="")


def monitor(
    model: str = places.MODEL,
    last: int = typer.Option(14, "--last", min=1, help="How many of the newest windows to show."),
    json: bool = places.JSON,
) -> None:
    """Show how a model does: volume, quality, drift, value."""
    from outlast.cli.watched import watched
    from outlast.monitoring.report import report

    place = places.workspace()
    found = report(place, str(places.model_ref(model, place)))
    if json:
        screen.as_json(found.to_json())
    else:
        watched(found, last)


def feeds(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Show the sources a model declared: how new, how much, how late."""
    from outlast.cli.watched import fed
    from outlast.monitoring.feeds.watching import feeds as found_feeds
    from outlast.monitoring.subject import open_subject
    from outlast.registry.versions import find

    place = places.workspace()
    version = find(place.ledger, places.model_ref(model, place))
    now = places.at()
    found = found_feeds(place, open_subject(place, version.model, version.number), now=now)
    if json:
        screen.as_json([one.to_json() for one in found])
    else:
        fed(found, now)


def skew(
    model: str = places.MODEL,
    since: str = typer.Option(None, "--since", help="From this moment of decision on, such as 2013-07-01."),
    until: str = typer.Option(None, "--until", help="Before this moment of decision."),
    sample: int = typer.Option(500, "--sample", min=1, help="How many answers to look at."),
    json: bool = places.JSON,
) -> None:
    """Compute served features again, from facts as known then."""
    from outlast.cli.watched import recomputed
    from outlast.monitoring.skew import audit

    place = places.workspace()
    name = places.model_ref(model, place).name
    begin, end = places.period_of(since, until)
    found = audit(place, name, since=begin, until=end, sample=sample)
    if json:
        screen.as_json(found)
        return
    recomputed(found)


def doctor(
    migrate: bool = typer.Option(False, "--migrate", help="Bring an older ledger up to this release."),
    grant: str = typer.Option(None, "--grant", help="Let this PostgreSQL role use the ledger, and rewrite nothing."),
    refill: bool = typer.Option(False, "--refill", help="Fill fresh values again, from the sources' history."),
    json: bool = places.JSON,
) -> None:
    """Say what is wrong here, and how it is mended."""
    from outlast.cli.health import examine

    found = examine(migrate=migrate, grant=grant, refill=refill)
    if json:
        screen.as_json(found)
    else:
        for one in found:
            screen.line(f"{'ok ' if one['ok'] else 'BAD'} {one['what']:<16}", one["says"])
    if not all(one["ok"] for one in found):
        raise typer.Exit(1)


def _drawn(version: Any, folder: Path) -> list[str]:
    """The pictures of a version, in a folder."""
    from outlast.registry.pictures import save

    try:
        files = save(version.summary, folder)
    except OSError as error:
        raise StorageError(f"The pictures of {version} cannot be written into {folder}: {error}") from error
    if not files:
        raise NotFound(f"{version} was trained before there were evaluations to draw: train it again")
    return [str(file) for file in files]


def _undrawn(version: Any) -> dict[str, str]:
    """Why a picture is not among them."""
    from outlast.registry.pictures import undrawn

    return undrawn(version.summary)


def _main(version: Any) -> tuple[str, str]:
    """The figure that is shown first, and what a decision is worth."""
    from outlast.cli.telling import money
    from outlast.monitoring.report import MAIN

    name, value = MAIN[version.task], version.summary["value"]
    found = version.summary["metrics"].get(name)
    metric = "" if found is None else f"{name} {screen.number(found['value'])}"
    return metric, "" if value is None else f"{money(value['per_decision'])} {value['currency']}"
