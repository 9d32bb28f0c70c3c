"""Commands of the loop: decisions, retrain, ab."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.retraining.deciding.records import Decision
    from outlast.retraining.judging.told import Readout

LAST = typer.Option(20, "--last", min=1, help="How many of the newest to show.")


def decisions(model: str = places.MODEL, last: int = LAST, json: bool = places.JSON) -> None:
    """Say why successors were trained, or not."""
    from outlast.control.operations import DECISIONS
    from outlast.control.shapes import About

    loop = places.ask(DECISIONS, About(places.meant(model)))
    found = loop.decisions
    if json:
        screen.as_json([vars(one) for one in found])
        return
    print(f"{loop.model}: {loop.plan}\n")
    screen.table(
        ("at (UTC)", "what", "because of", "version", "why"),
        [(screen.moment(one.at), one.what, one.trigger, one.version, one.sentence) for one in found[-last:]],
        empty=f"Nothing was decided about {loop.model} yet: `outlast tick` decides, by [retraining] in outlast.toml",
    )
    if len(found) > last:
        print(f"… and {len(found) - last:,} before these: --last {len(found)}")


def retrain(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Train and judge a successor of what is live now, as ticks do."""
    from outlast.control.operations import RETRAIN
    from outlast.control.shapes import Reasoned

    done = places.ask(RETRAIN, Reasoned(places.meant(model), reason))
    far = places.server() is not None
    if not far:
        done = _waited(done.model, json)
    if json:
        screen.as_json(vars(done))
    else:
        screen.sentence(done.sentence)
        goes_on = "Next: outlast tick lets it go on by itself"
        print(goes_on if done.what == "passed" else f"See: outlast decisions {done.model}")
    if done.what != "passed" and not far:
        raise typer.Exit(3 if done.what == "refused" else 1)


def _waited(model: str, json: bool) -> "Decision":
    """What came of a run, once its process has ended."""
    from outlast.retraining.deciding.records import decisions as read
    from outlast.retraining.succeeding.runs import wait

    place = places.workspace()
    with screen.Progress(json) as progress:
        progress.begins("train and judge")
        wait(place, model)
    return read(place.ledger, model)[-1]


def ab(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Hold a challenger against what is live, by outcomes."""
    from outlast.control.operations import AB
    from outlast.control.shapes import About

    found = places.ask(AB, About(places.meant(model)))
    if json:
        screen.as_json(found.to_json())
    else:
        _told(found)


def _told(found: "Readout") -> None:
    print(f"{found.model}@{found.challenger} as {found.stage} beside {found.model}@{found.live}, since "
          f"{screen.moment(found.since)}")  # fmt: skip
    sides = ((f"live, {found.live}", found.ours), (f"{found.stage}, {found.challenger}", found.theirs))
    screen.table(
        ("version", "answers", "known outcomes", "below the model", f"mean ({found.unit})"),
        [(name, f"{s.answers:,}", f"{s.priced:,}", f"{s.lower:,}", screen.number(s.mean)) for name, s in sides],
        empty="",
    )
    print()
    if found.trouble:
        screen.line("trouble", found.trouble)
    if found.agreement is not None:
        screen.line("agreement", f"{found.agreement:.1%} of {found.pairs:,} questions that both answered")
    share = f"{found.labelled / found.matured:.0%}" if found.matured else "—"
    screen.line("labels", f"{share} of {found.matured:,} answers old enough to have one")
    gain = found.gain
    screen.line("difference", "no outcome is known yet" if gain is None else
                f"{gain.value:+.4g} {found.unit} ({gain.low:+.4g} to {gain.high:+.4g}), at any time, 95 %")  # fmt: skip
    if found.estimated is not None:
        screen.line("expected", f"{found.estimated:+.4g} {found.unit}, by the mean of both versions' chances")
    if found.late is not None:
        late = found.late
        more = f"{late.value:+.1%} ({late.low:+.1%} to {late.high:+.1%})"
        screen.line("late", f"{more}: how much more often its answers take longer than [serving] p99")
    if found.drawn < 1:
        screen.line("looked at", f"{found.drawn:.1%} of the questions, drawn")
