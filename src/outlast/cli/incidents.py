"""Commands about incidents: list them, look at one, and say what is done with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.control.operations import Operation
    from outlast.control.shapes import Attended
    from outlast.monitoring.harm import Harm
    from outlast.monitoring.incidents.incident import Incident

ID = typer.Argument(..., metavar="ID", help="An incident's id, or how it begins.")
_LINES = 20
"""Lines of a timeline shown, the newest; `--json` has every one."""


def incidents(
    model: str = typer.Argument(None, help="The model; if left out, this folder's or all of them."),
    all_: bool = typer.Option(False, "--all", help="Also those that are closed."),
    json: bool = places.JSON,
) -> None:
    """List what somebody has to look at."""
    from dataclasses import asdict

    from outlast.control.operations import INCIDENTS
    from outlast.control.shapes import Listing

    found = places.ask(INCIDENTS, Listing(places.meant_if_any(model), closed=all_))
    if json:
        screen.as_json([asdict(one) for one in found])
        return
    screen.table(
        ("id", "", "model", "state", "since (UTC)", "what", "cost a day", "owner"),
        [
            (
                one.id,
                one.severity,
                f"{one.model}@{one.version}",
                _state(one),
                f"{one.since:%Y-%m-%d %H:%M}",
                one.cause,
                _a_day(one.cost, one.currency),
                one.owner or "nobody",
            )
            for one in found
        ],
        empty="There was never an incident here: `outlast tick` looks for what would be one"
        if all_
        else "No incident is open; --all shows those that were closed",
    )
    if found and not all_:
        print(f"Next: outlast incident {found[0].id}")


def incident(
    id: str = ID,
    label_these: Path = typer.Option(
        None,
        "--label-these",
        metavar="FILE",
        help="Write up to 200 of its answers to a CSV or Parquet file, to be labelled.",
    ),
    json: bool = places.JSON,
) -> None:
    """Show an incident: what, since when, at what cost."""
    from outlast.control.operations import INCIDENT
    from outlast.control.shapes import OfIncident

    done = places.ask(INCIDENT, OfIncident(id))
    if label_these is not None:
        _to_label(done.incident, label_these)
    elif json:
        _json(done)
    else:
        _shown(done)


def ack(id: str = ID, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Say that you look at an incident: nobody else is told."""
    from outlast.control.operations import ACK
    from outlast.control.shapes import Attending

    _did(ACK, Attending(id, reason), json)


def assign(
    id: str = ID,
    to: str = typer.Argument(..., metavar="WHO", help="A name or an address."),
    reason: str = places.REASON,
    json: bool = places.JSON,
) -> None:
    """Give an incident to somebody."""
    from outlast.control.operations import ASSIGN
    from outlast.control.shapes import Assigning

    _did(ASSIGN, Assigning(id, reason, to), json)


def snooze(
    id: str = ID,
    length: str = typer.Argument(..., metavar="FOR", help="For how long, such as 4h or 2d."),
    reason: str = places.REASON,
    json: bool = places.JSON,
) -> None:
    """Put an incident off for a while."""
    from outlast.control.operations import SNOOZE
    from outlast.control.shapes import Snoozing

    _did(SNOOZE, Snoozing(id, reason, length), json)


def resolve(id: str = ID, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Close an incident: what is found later is another one."""
    from outlast.control.operations import RESOLVE
    from outlast.control.shapes import Attending

    _did(RESOLVE, Attending(id, reason), json)


def accept(id: str = ID, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Take what an incident found for normal from now on."""
    from outlast.control.operations import ACCEPT
    from outlast.control.shapes import Attending

    _did(ACCEPT, Attending(id, reason), json)


def _did(operation: "Operation[Any, Attended]", asked: Any, json: bool) -> None:
    done = places.ask(operation, asked)
    if json:
        _json(done)
        return
    one, last = done.incident, done.timeline[-1]
    print(f"{one.id} of {one.model} is {_state(one)}, {one.owner or 'nobody'} owns it: {last.sentence} ({last.by})")


def _to_label(one: "Incident", file: Path) -> None:
    from outlast.errors import DataError
    from outlast.monitoring.subject import open_subject
    from outlast.monitoring.wanted import to_label
    from outlast.types import counted

    if file.suffix not in (".csv", ".parquet") or file.exists():
        raise DataError(f"{file} cannot be written: expected the name of a new .csv or .parquet file")
    place = places.workspace()
    rows = to_label(place, one, open_subject(place, one.model, one.version))
    if rows.is_empty():
        print(f"Every answer since {screen.moment(one.since)} UTC has a label: there is nothing to write")
        return
    rows.write_csv(file) if file.suffix == ".csv" else rows.write_parquet(file)
    print(f"{counted(rows.height, 'answer')} of {one.model}@{one.version} written to {file}: fill in the column label")
    print(f"Next: outlast label {one.model} {file}")


def _json(done: "Attended") -> None:
    from dataclasses import asdict

    screen.as_json({**asdict(done.incident), "timeline": [asdict(line) for line in done.timeline]})


def _shown(done: "Attended") -> None:
    one = done.incident
    print(f"{one.id}  {one.severity}  {one.model}@{one.version}  {_state(one)}")
    screen.line("what", f"{one.cause}: {one.title}")
    screen.line("since", f"{one.since:%Y-%m-%d %H:%M} UTC, noticed {one.opened_at:%Y-%m-%d %H:%M}")
    screen.line("last found", f"{one.last:%Y-%m-%d %H:%M} UTC")
    screen.line("cost", "not known" if one.cost is None else _cost(one.cost, one.currency))
    if one.account is not None:
        screen.line("goes with", one.account)
    screen.line("owner", one.owner or "nobody: the contract names no owner")
    screen.line("runbook", one.runbook or "none: the contract names no runbook")
    print("\nWhat was found")
    screen.table(
        ("kind", "where", "first (UTC)", "times", "the newest"),
        [(f.kind, f.column, f"{f.first:%Y-%m-%d %H:%M}", f.times, f.sentence) for f in one.found],
        empty="Nothing",
    )
    print("\nWhat happened")
    screen.table(
        ("at (UTC)", "who", "what", ""),
        [(screen.moment(line.at), line.by, line.action, line.sentence) for line in done.timeline[-_LINES:]],
        empty="Nothing",
    )
    if len(done.timeline) > _LINES:
        print(f"… and {len(done.timeline) - _LINES:,} lines before these: --json")
    if one.live:
        print(f"Next: {_next(one)}")


def _next(one: "Incident") -> str:
    if one.calm_since is not None:
        return f"outlast resolve {one.id}, nothing was found since {one.calm_since:%Y-%m-%d %H:%M} UTC"
    if one.benign:
        return f"outlast accept {one.id} --reason …, it costs next to nothing"
    if one.proposed == "label":
        return f"outlast incident {one.id} --label-these FILE.csv"
    if one.state == "open":
        return f"outlast ack {one.id}"
    return f"outlast resolve {one.id}, when it is mended"


def _state(one: "Incident") -> str:
    until = f" until {one.snoozed_until:%Y-%m-%d %H:%M} UTC" if one.snoozed_until is not None else ""
    calm = f", calm since {one.calm_since:%Y-%m-%d}" if one.calm_since is not None and one.live else ""
    return f"{one.state}{until}{calm}{', benign' if one.benign and one.live else ''}"


def _a_day(cost: "Harm | None", currency: str) -> str:
    """In a table: below nothing more is earned than beside the reference, which is no cost."""
    if cost is None:
        return ""
    return "none" if cost.per_day <= 0 else f"{screen.number(cost.per_day, 3)} {currency}"


def _cost(cost: "Harm", currency: str) -> str:
    low, high = screen.number(cost.low, 3), screen.number(cost.high, 3)
    of = "" if cost.stake is None else f"; the model is worth {screen.number(cost.stake, 3)} a day"
    return f"{screen.number(cost.per_day, 3)} {currency} a day ({low} to {high}){of}"
