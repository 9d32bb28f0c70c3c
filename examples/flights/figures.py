"""What a year came to, said: what was found and when, what the loop did, and what it was all worth."""

import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from picture import Happened, save
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score
from year import Found, Gain, by_day, found, gain, outcomes

from outlast.monitoring.audits import audited
from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.telling.alerts import alerts
from outlast.project.loader import Project
from outlast.registry.rollout import transitions
from outlast.registry.versions import Version
from outlast.replaying.faults import Fault, read_faults
from outlast.replaying.run import Told
from outlast.retraining.deciding.records import decisions
from outlast.types import counted

Payoff = dict[str, dict[str, float]]


def announced(faults: Sequence[Fault], console: Console) -> None:
    """What will go wrong, said before it does."""
    console.print(
        "Nobody is told of what will go wrong, and you are now:" if faults else "Nothing will be made to go wrong."
    )
    for one in faults:
        console.print(f"  {one.sentence}")
    console.print()


def lived_said(story: Told, console: Console) -> None:
    """What was told and asked, and where the time went."""
    slow = 1000 * np.percentile(story.seconds, [50, 99]) if story.seconds else (0.0, 0.0)
    console.print(
        f"{story.facts:,} facts were told, each within its feed's lag, and {story.questions:,} flights asked about, in "
        f"{len(story.seconds):,} requests (p50 {slow[0]:.1f} ms, p99 {slow[1]:.1f} ms); {story.ticks} ticks."
    )
    for job, sentence in story.failed.items():
        console.print(f"The job {job} of a tick failed: {sentence}", style="bold red", markup=False)
    console.print(f"[dim]Seconds: {', '.join(f'{name} {took:.0f}' for name, took in story.took.items())}.\n")


def told(project: Project, frozen: Version, until: datetime, duty: Counter[str], console: Console) -> None:
    """The year's figures, each beside what it is to be compared with, and its picture."""
    rows = outcomes(project, frozen)
    landed = rows.drop_nulls("late")
    currency = project.contract.value.currency
    console.print(by_month(rows, currency))
    faults = found(project, read_faults(project.folder / "faults.toml"), rows, until)
    more = gain(landed)
    lines = {
        "Asked": asked_said(rows),
        "Right?": f"ROC AUC {auc(landed, 'score'):.3f}; the evaluation said {interval(frozen, 'roc_auc')}.",
        "The same?": same_said(project),
        **{f"Fault {number}": fault_said(one, currency) for number, one in enumerate(faults, 1)},
        "Told": alerts_said(project),
        "On duty": ", ".join(f"{counted(count, 'incident')} {what}" for what, count in sorted(duty.items()))
        or "nothing to do",
        "The loop": loop_said(project),
        "Worth it?": worth_said(landed, project, currency),
        "The loop's": more_said(more, currency),
    }
    table = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        table.add_row(name, line)
    console.print()
    console.print(table)
    _pictured(project, landed, more, [one.fault for one in faults], currency, console)


def by_month(rows: pl.DataFrame, currency: str) -> Table:
    """A line for each month of the year: the live version beside the frozen one."""
    table = Table("month", "asked", "landed", "late", "ROC AUC", "versions", f"worth in {currency}", "frozen", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for (month,), part in rows.group_by(pl.col("decide_at").dt.truncate("1mo"), maintain_order=True):
        landed = part.drop_nulls("late")
        late = f"{landed['late'].mean():.0%}" if landed.height else "—"
        versions = ", ".join(str(one) for one in sorted(part["version"].unique()))
        cells = (f"{part.height:,}", f"{landed.height:,}", late, f"{auc(landed, 'score'):.3f}", versions)
        table.add_row(f"{month:%B}", *cells, f"{landed['worth'].sum():+,.0f}", f"{landed['frozen_worth'].sum():+,.0f}")
    return table


def asked_said(rows: pl.DataFrame) -> str:
    """How many were asked about, and what never turned out."""
    landed = rows.drop_nulls("late").height
    return f"{rows.height:,} flights. {landed:,} landed and were labelled; the others were cancelled or never reported."


def fault_said(one: Found, currency: str) -> str:
    """How a fault was found, after how long, and what it was said to cost."""
    name = f"{one.fault.name}, from {one.fault.since:%B} {one.fault.since.day} on"
    if one.at is None or one.incident is None:
        return f"{name}: it was not found."
    hours = (one.at - one.fault.since).total_seconds() / 3600
    cost = one.incident.cost
    said = f", {cost_said(cost, currency)}" if cost else ""
    return f"{name}: found after {one.rows:,} flights and {hours:.0f} hours ({one.incident.severity}{said}): {one.says}"


def cost_said(cost: Harm, currency: str) -> str:
    """What decisions lost a day beside the reference while it went on, of which the season is a part."""
    if cost.high <= 0:
        return f"nothing lost beside the reference: {-cost.per_day:+,.0f} {currency} a day"
    return f"{cost.per_day:,.0f} {currency} a day lost beside the reference ({cost.low:,.0f} to {cost.high:,.0f})"


def alerts_said(project: Project) -> str:
    """Who was called how often."""
    every = alerts(project.workspace.ledger, project.model.name)
    pages = sum(one.severity == "page" for one in every)
    return f"{counted(pages, 'page')} to somebody now, {counted(len(every) - pages, 'ticket')} for the morning."


def loop_said(project: Project) -> str:
    """What the loop did, and how often it did nothing on purpose."""
    every = decisions(project.workspace.ledger, project.model.name)
    words = Counter(one.what for one in every)
    nothing = words.pop("not", 0)
    steps = [f"{one.at:%d %B}: {one.sentence}" for one in sorted(every, key=lambda one: one.at) if one.what != "not"]
    did = ", ".join(f"{what} {count}" for what, count in words.items()) or "nothing"
    return "\n".join([f"{did}; and {nothing} times not, with a reason.", *(_short(step) for step in steps)])


def worth_said(landed: pl.DataFrame, project: Project, currency: str) -> str:
    """What the decisions came to, beside nobody acting and everybody acting."""
    payoff = project.contract.value.payoff
    assert payoff is not None
    act, wait = payoff
    return (
        f"{landed['worth'].sum():+,.0f} {currency}; {always(wait, landed, payoff):+,.0f} when nobody acts, "
        f"{always(act, landed, payoff):+,.0f} when everybody is rebooked, {landed['frozen_worth'].sum():+,.0f} with "
        "the model frozen in June, on the same features."
    )


def more_said(more: Gain, currency: str) -> str:
    """Whether the loop was worth it, said as it is."""
    said = f"{more.value:+,.0f} {currency} against the model frozen in June ({more.low:+,.0f} to {more.high:+,.0f})"
    if more.value == 0:
        return f"{said}: the first version answered all along."
    if not more.sure:
        return f"{said}: the loop {'gained' if more.value > 0 else 'lost'}, and it may be chance."
    return f"{said}: the loop {'gained' if more.value > 0 else 'lost'}, beyond chance."


def same_said(project: Project) -> str:
    """Whether what was served is what the facts known at each decision give, as the ticks have looked."""
    days = audited(project.workspace.ledger, project.model.name)
    looked, values = sum(day.looked_at for day in days), sum(day.looked_at * day.features for day in days)
    wrong = [column for day in days for column in day.columns]
    said = f"{looked:,} answers computed again from the facts as known then: {values:,} values, "
    shown = [day.sentence(project.model.name) for day in days if day.columns or day.unread]
    return "\n".join([f"{said}{sum(column.differ for column in wrong):,} different.", *shown[:3]])


def auc(landed: pl.DataFrame, score: str) -> float:
    """How often a late flight was given a higher chance than one in time; not a number when all were alike."""
    known = landed.drop_nulls(score)
    return float(roc_auc_score(known["late"], known[score])) if known["late"].n_unique() == 2 else float("nan")


def always(decision: str, landed: pl.DataFrame, payoff: Payoff) -> float:
    """What one decision for all would have come to."""
    late = landed["late"].sum()
    return float(payoff[decision]["yes"] * late + payoff[decision]["no"] * (landed.height - late))


def interval(version: Version, metric: str) -> str:
    """A figure of the evaluation."""
    of = version.summary["metrics"][metric]
    return f"{of['value']:.3f} ({of['low']:.3f} to {of['high']:.3f})"


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _pictured(
    project: Project, landed: pl.DataFrame, more: Gain, faults: Sequence[Fault], currency: str, console: Console
) -> None:
    days = by_day(landed)
    if len(days) < 2:
        return
    ends = [one for one in transitions(project.workspace.ledger, project.model.name) if one.from_version is not None]
    steps = [one for one in ends if one.to_version != one.from_version]
    words = (
        f"{days[-1]['worth']:+,.0f} {currency} from {days[0]['day']:%B} to {days[-1]['day']:%B}",
        more_said(more, currency),
    )
    happened = Happened(faults, incidents(project.workspace.ledger, project.model.name), steps)
    files = save(project.workspace.home, days, happened, words)
    console.print(f"\nA picture of it: {' and '.join(os.path.relpath(file) for file in files)}")


def go_on(project: Project, console: Console) -> None:
    """What to open and try next."""
    name = project.model.name
    steps = {
        "look at it as of its end": f"export OUTLAST_CLOCK={project.workspace.home.name}/clock",
        "what is open": "outlast incidents",
        "what the loop decided, and why": f"outlast decisions {name}",
        "how it does": f"outlast monitor {name}",
        "what was served when": f"outlast history {name}",
        "which run made it": f"outlast why {name}@live",
        "by today's clock again, serve it": "unset OUTLAST_CLOCK; outlast up",
        "ask it": f"outlast predict {name} --example",
    }
    console.print(f"source {shlex.quote(os.path.relpath(Path(sys.executable).with_name('activate')))}")
    console.print(f"cd {shlex.quote(os.path.relpath(project.folder))}")
    for what, line in steps.items():
        console.print(f"[dim]# {what}")
        console.print(line, soft_wrap=True, markup=False)
