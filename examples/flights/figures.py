"""What a replay came to: how good, how much money, how fast, and whether the features served were the right ones."""

import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import polars as pl
from replay import Played
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from outlast.monitoring.audits import audited
from outlast.monitoring.report import report
from outlast.project.loader import Project
from outlast.registry.versions import Version
from outlast.types import counted

Payoff = dict[str, dict[str, float]]


def told(project: Project, version: Version, played: Played, console: Console) -> None:
    """The figures of the replay, each beside what it is to be compared with."""
    asked = outcomes(played, project.contract.value.payoff)
    landed = asked.drop_nulls("late")
    console.print(by_day(asked, project.contract.value.currency))
    lines = {
        "Told": facts_said(played),
        "Asked": asked_said(asked, project.folder / "data" / "year"),
        "Right?": f"ROC AUC {auc(landed):.3f}; the evaluation said {interval(version, 'roc_auc')}.",
        "Worth it?": worth_said(landed, project, version),
        "Fast?": fast_said(played),
        "The same?": same_said(project),
        "Watched": watched_said(project),
    }
    table = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        table.add_row(name, line)
    console.print()
    console.print(table)
    console.print()


def outcomes(played: Played, payoff: dict[str, dict[str, float]]) -> pl.DataFrame:
    """Every question with its answer, what turned out (null: never heard), and what the decision was worth."""
    answers = pl.DataFrame(played.answers, infer_schema_length=None).with_columns(
        decide_at=pl.col("decide_at").str.to_datetime(time_zone="UTC")
    )
    labels = pl.DataFrame(played.labels, schema={"key": pl.String, "value": pl.Boolean, "known_at": pl.String})
    joined = answers.join(labels.select(flight_id="key", late="value"), on="flight_id", how="left")
    prices = [
        {"decision": decision, "late": outcome == "yes", "worth": float(amount)}
        for decision, amounts in payoff.items()
        for outcome, amount in amounts.items()
    ]
    return joined.join(pl.DataFrame(prices), on=["decision", "late"], how="left", maintain_order="left")


def by_day(asked: pl.DataFrame, currency: str) -> Table:
    """A line for each day of the replay."""
    table = Table("day (UTC)", "asked", "landed", "late", "ROC AUC", "rebooked", f"worth in {currency}", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for (day,), part in asked.group_by(pl.col("decide_at").dt.date(), maintain_order=True):
        landed = part.drop_nulls("late")
        late = f"{landed['late'].mean():.0%}" if landed.height else "—"
        rebooked = (part["decision"] == "rebook").sum()
        cells = (f"{part.height:,}", f"{landed.height:,}", late, f"{auc(landed):.3f}", f"{rebooked:,}")
        table.add_row(f"{day:%d %B}", *cells, f"{landed['worth'].sum():+,.0f}")
    return table


def facts_said(played: Played) -> str:
    """What the server was told."""
    facts = ", ".join(f"{count:,} {source}" for source, count in sorted(played.facts.items()))
    return f"{facts}, each when it became known."


def asked_said(asked: pl.DataFrame, year: Path) -> str:
    """How many were asked about, and what never turned out."""
    silent = asked.filter(pl.col("late").is_null())
    departures = pl.read_parquet(year / "departures.parquet", columns=["flight_id"])
    left = silent.join(departures, on="flight_id", how="semi").height
    return (
        f"{asked.height:,} flights. {asked.height - silent.height:,} landed and were labelled. The others never will "
        f"be: {silent.height - left:,} were cancelled, {left:,} left and reported no arrival delay."
    )


def worth_said(landed: pl.DataFrame, project: Project, version: Version) -> str:
    """What the decisions came to, beside nobody acting and everybody acting."""
    value, currency, payoff = version.summary["value"], project.contract.value.currency, project.contract.value.payoff
    act, wait = payoff
    return (
        f"{landed['worth'].sum():+,.0f} {currency}; {always(wait, landed, payoff):+,.0f} when nobody acts, "
        f"{always(act, landed, payoff):+,.0f} when everybody is rebooked. That is {landed['worth'].mean():+.1f} for "
        f"each flight; the evaluation said {value['per_decision']:+.1f} ({value['low']:+.1f} to {value['high']:+.1f})."
    )


def fast_said(played: Played) -> str:
    """How long the caller waited for an answer."""
    median, slow = 1000 * np.percentile(played.seconds, [50, 99])
    return f"p50 {median:.1f} ms, p99 {slow:.1f} ms for one answer over HTTP, all five lookups included."


def same_said(project: Project) -> str:
    """Whether what was served is what the facts known at each decision give, as the tick has looked."""
    days = audited(project.workspace.ledger, project.model.name)
    looked, values = sum(day.looked_at for day in days), sum(day.looked_at * day.features for day in days)
    wrong = [column for day in days for column in day.columns]
    said = f"{looked:,} answers computed again from the facts as known then: {values:,} values, "
    shown = [day.sentence(project.model.name) for day in days if day.columns or day.unread]
    return "\n".join([f"{said}{sum(column.differ for column in wrong):,} different.", *shown])


def watched_said(project: Project) -> str:
    """Who was called, and the first thing they were told."""
    told = report(project.workspace, project.model.name).alerts
    pages = [alert["sentence"] for alert in told if alert["severity"] == "page"]
    first = f" The first page: {pages[0]}" if pages else ""
    calm = len(told) - len(pages)
    return f"{counted(len(pages), 'page')} to somebody now, {counted(calm, 'ticket')} for the morning.{first}"


def auc(landed: pl.DataFrame) -> float:
    """How often a late flight was given a higher chance than one in time; not a number when all were alike."""
    return float(roc_auc_score(landed["late"], landed["score"])) if landed["late"].n_unique() == 2 else float("nan")


def always(decision: str, landed: pl.DataFrame, payoff: Payoff) -> float:
    """What one decision for all would have come to."""
    late = landed["late"].sum()
    return float(payoff[decision]["yes"] * late + payoff[decision]["no"] * (landed.height - late))


def interval(version: Version, metric: str) -> str:
    """A figure of the evaluation."""
    found = version.summary["metrics"][metric]
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def go_on(project: Project, played: Played, console: Console) -> None:
    """What to open and try next."""
    name = project.model.name
    row = json.dumps({key: played.answers[-1][key] for key in ("flight_id", "decide_at", *project.model.asks.names)})
    steps = {
        "serve it, and watch it": "outlast up",
        "ask it": f"curl -s localhost:8000/predict/{name} -H 'Content-Type: application/json' -d '{row}'",
        "which run made it": f"outlast why {name}@live",
        "what was served when": f"outlast history {name}",
        "how it does": f"outlast monitor {name}",
        "its runs in MLflow": f"mlflow ui --backend-store-uri {project.workspace.mlflow_uri}",
    }
    console.print(f"source {shlex.quote(os.path.relpath(Path(sys.executable).with_name('activate')))}")
    console.print(f"cd {shlex.quote(os.path.relpath(project.folder))}")
    for what, line in steps.items():
        console.print(f"[dim]# {what}")
        console.print(line, soft_wrap=True, markup=False)
