"""What `outlast value` says: money day by day against baseline and promise, what people did, and what answers cost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.monitoring.figures import Figure
    from outlast.monitoring.value.told import Adopted, Cost, Money


def value(
    model: str = places.MODEL,
    since: str = typer.Option(None, "--since", help="From this moment of decision on, such as 2013-07-01."),
    until: str = typer.Option(None, "--until", help="Before this moment of decision."),
    last: int = typer.Option(14, "--last", min=1, help="How many of the newest days to show."),
    metrics: str = typer.Option(None, "--metrics", help="The address of a running server, to take its CPU time from."),
    json: bool = places.JSON,
) -> None:
    """Show what a live model earns, and what people do with it."""
    from dataclasses import replace

    from outlast.control.operations import VALUE
    from outlast.control.shapes import Earning

    found = places.ask(VALUE, Earning(places.meant(model), *places.period_of(since, until)))
    if metrics is not None:
        from outlast.monitoring.value.costs import running_cost

        found = replace(found, cost=running_cost(places.workspace(), metrics, found.money.currency))
    if json:
        screen.as_json(found.to_json())
        return
    _money(found.money, last)
    print("\nWhat people did with the answers")
    _adoption(found.adoption.groups, found.adoption.says)
    print()
    screen.line("cost", _cost(found.cost))


def _money(found: "Money", last: int) -> None:
    days = [day for day in found.days if day.answers]
    screen.table(
        ("day (UTC)", "answers", "priced", found.currency, "gain", "promised", "gain so far", "promised so far"),
        [
            (
                f"{day.day:%Y-%m-%d}", f"{day.answers:,}", f"{day.priced:,}",
                *(screen.number(n) for n in (day.value, day.gain, day.promised, day.total_gain, day.total_promised)),
            )
            for day in days[-last:]
        ],
        empty="Nothing was counted yet: `outlast tick` counts what was served",
    )  # fmt: skip
    if not days:
        return
    if len(days) > last:
        print(f"… and {len(days) - last:,} before these: --last {len(days)}")
    screen.line("value", f"{_said(found.value)} {found.currency}")
    screen.line("gain", f"{_said(found.gain)} {found.currency} above the baseline")
    screen.line("a decision", f"{_said(found.gain_per_decision)}; promised {_said(found.promise_per_decision)}")
    screen.line("promise", found.says)


def _adoption(groups: "Sequence[Adopted]", says: str) -> None:
    screen.table(
        ("who", "followed", "overridden", "ignored", "rate", "gain followed", "gain overridden", "overriding won"),
        [
            (
                "all" if one.kind == "all" else one.name if one.kind == "by" else f"{one.kind}={one.name}",
                one.followed, one.overridden, one.ignored, f"{one.rate.value:.0%}",
                *(_short(figure) for figure in (one.gain_followed, one.gain_overridden, one.instead)),
            )
            for one in groups
        ],
        empty=f"Not known: {says}",
    )  # fmt: skip
    if groups:
        screen.line("adoption", says)


def _cost(cost: "Cost") -> str:
    if cost.cpu_seconds is None:
        return f"of 1,000 answers not known: {cost.missing}"
    cpu = f"{screen.number(cost.cpu_seconds, 3)} CPU seconds for 1,000 answers, measured by {cost.measured_by}"
    if cost.money is None:
        return f"{cpu}; in money not known: {cost.missing}"
    return f"{screen.number(cost.money, 3)} {cost.currency} for 1,000 answers: {cpu}"


def _short(figure: "Figure") -> str:
    if figure.value is None:
        return "—"
    if figure.low is None or figure.high is None:
        return screen.number(figure.value, 3)
    return f"{screen.number(figure.value, 3)} ({screen.number(figure.low, 3)} to {screen.number(figure.high, 3)})"


def _said(figure: "Figure") -> str:
    return f"— ({figure.reason})" if figure.value is None else _short(figure)
