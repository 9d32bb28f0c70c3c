"""Commands of the loop: decisions, retrain, ab."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.retraining.judging.readout import Readout

LAST = typer.Option(20, "--last", min=1, help="How many of the newest to show.")


def decisions(model: str = places.MODEL, last: int = LAST, json: bool = places.JSON) -> None:
    """Say why successors were trained, or not."""
    from outlast.registry.contracts import contract_of
    from outlast.registry.versions import find
    from outlast.retraining.deciding.deciding import said_of
    from outlast.retraining.deciding.records import decisions as read
    from outlast.types import ModelRef

    place = places.workspace()
    name = places.model_ref(model, place).name
    found = read(place.ledger, name)
    if json:
        screen.as_json([vars(one) for one in found])
        return
    print(f"{name}: {said_of(contract_of(place, find(place.ledger, ModelRef(name))).retraining)}\n")
    screen.table(
        ("at (UTC)", "what", "because of", "version", "why"),
        [(screen.moment(one.at), one.what, one.trigger, one.version, one.sentence) for one in found[-last:]],
        empty=f"Nothing was decided about {name} yet: `outlast tick` decides, by [retraining] in outlast.toml",
    )
    if len(found) > last:
        print(f"… and {len(found) - last:,} before these: --last {len(found)}")


def retrain(model: str = places.MODEL, reason: str = places.REASON, json: bool = places.JSON) -> None:
    """Train and judge a successor of what is live now, as ticks do."""
    from outlast.retraining.deciding.records import decisions as read
    from outlast.retraining.loop import ask_for
    from outlast.retraining.succeeding.runs import wait

    place = places.workspace()
    name = places.model_ref(model, place).name
    ask_for(place, name, by=places.who(), reason=reason, now=places.at())
    with screen.Progress(json) as progress:
        progress.begins("train and judge")
        wait(place, name)
    done = read(place.ledger, name)[-1]
    if json:
        screen.as_json(vars(done))
    else:
        screen.sentence(done.sentence)
        print(
            "Next: outlast tick lets it go on by itself" if done.what == "passed" else f"See: outlast decisions {name}"
        )
    if done.what != "passed":
        raise typer.Exit(3 if done.what == "refused" else 1)


def ab(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Hold a challenger against what is live, by outcomes."""
    from outlast.errors import NotFound
    from outlast.registry.rollout import current
    from outlast.registry.versions import find
    from outlast.retraining.judging.readout import read_out

    place = places.workspace()
    ref = places.model_ref(model, place)
    number = current(place.ledger, ref.name).challenger
    if ref.version is not None:
        number = find(place.ledger, ref).number
    found = None if number is None else read_out(place, ref.name, number, now=places.at())
    if found is None:
        raise NotFound(
            f"Nothing stands beside what is live of {ref.name}: put a version there with "
            f"`outlast promote {ref.name}@NUMBER --to ab --share 50`, or --to shadow"
        )
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
    if found.drawn < 1:
        screen.line("looked at", f"{found.drawn:.1%} of the questions, drawn")
