"""What a year came to: what was asked, what turned out, its worth, and what the first version would have made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from outlast.journal.reading import joined
from outlast.monitoring.incidents.incident import Found as Stream
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents, timeline
from outlast.project.loader import Project
from outlast.registry.versions import Version
from outlast.replaying.faults import Fault
from outlast.retraining.judging.back import would_have_decided
from outlast.types import duration

SEED, DRAWS = 2013, 2000


@dataclass(frozen=True)
class Gain:
    """Money above something else, with 95 % of what other weeks like these would have given."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        return self.low > 0 or self.high < 0


def outcomes(project: Project, frozen: Version) -> pl.DataFrame:
    """Every answer with what turned out (null: never heard), what it was worth, and the same of the frozen version."""
    wanted = ("key", "decide_at", "at", "version", "rung", "decision", "score", "value", "asks", "features")
    rows = joined(project.workspace, project.model.name).select(wanted).sort("decide_at", "key").collect()
    late = pl.when(pl.col("value") == "true").then(True).when(pl.col("value") == "false").then(False)
    rows = rows.with_columns(late=late, frozen=decided(project, frozen, rows))
    prices = project.contract.value.payoff or {}
    return rows.with_columns(worth=_priced("decision", prices), frozen_worth=_priced("frozen", prices)).drop(
        "asks", "features", "value"
    )


def decided(project: Project, version: Version, rows: pl.DataFrame) -> pl.Series:
    """What a version decides on the features that were served, of all rows; its own decisions are known."""
    found: list[str] = rows["decision"].to_list()
    others = rows.with_row_index().filter((pl.col("version") != version.number) & (pl.col("rung") == "full"))
    if others.height:
        made = would_have_decided(project.workspace, version, others)
        for index, decision in zip(others["index"], made, strict=True):
            found[index] = decision
    return pl.Series(found, dtype=pl.String)


def _priced(decision: str, prices: dict[str, dict[str, float]]) -> pl.Expr:
    found = pl.lit(None, pl.Float64)
    for name, amounts in prices.items():
        amount = pl.when(pl.col("late")).then(float(amounts["yes"])).when(~pl.col("late")).then(float(amounts["no"]))
        found = pl.when(pl.col(decision) == name).then(amount).otherwise(found)
    return found


def gain(rows: pl.DataFrame) -> Gain:
    """What the live versions earned above the frozen one; the interval from weeks drawn anew, since days are alike."""
    by_week = rows.drop_nulls("worth").group_by(pl.col("decide_at").dt.truncate("1w").alias("week")).agg(
        (pl.col("worth") - pl.col("frozen_worth")).sum().alias("more")
    )  # fmt: skip
    weeks = by_week.sort("week")["more"].to_numpy()  # what is drawn hangs on their order
    if not len(weeks):
        return Gain(0.0, 0.0, 0.0)
    drawn = np.random.default_rng(SEED).choice(weeks, (DRAWS, len(weeks))).sum(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Gain(float(weeks.sum()), float(low), float(high))


@dataclass(frozen=True)
class Found:
    """A fault, and how it was found; None where it never was."""

    fault: Fault
    incident: Incident | None
    at: datetime | None
    rows: int
    stream: Stream | None
    says: str = "it was not found"


def found(project: Project, faults: Sequence[Fault], rows: pl.DataFrame, until: datetime) -> list[Found]:
    """Of each fault that began before the end: the first finding about its columns, and how much it took."""
    every = incidents(project.workspace.ledger, project.model.name)
    cadence = duration(project.contract.monitoring.cadence)
    made = [_found(one, every, rows, cadence) for one in faults if one.since < until]
    return [replace(one, says=_as_told(project, one)) for one in made]


def _found(fault: Fault, every: Sequence[Incident], rows: pl.DataFrame, cadence: timedelta) -> Found:
    named = {*fault.columns, fault.source}
    about = [  # the check that showed it, or the tick that told of it, whichever came later
        (max(stream.first + cadence, incident.opened_at), incident, stream)
        for incident in every
        for stream in incident.found
        if stream.column in named and fault.since <= stream.first + cadence
        and (fault.until is None or stream.first < fault.until)
    ]  # fmt: skip
    if not about:
        return Found(fault, None, None, 0, None)
    at, incident, stream = min(about, key=lambda one: one[0])
    asked = rows.filter(pl.col("at").is_between(fault.since, at, closed="left")).height
    return Found(fault, incident, at, asked, stream)


def _as_told(project: Project, found: Found) -> str:
    """What was said of it when it was found: the incident itself has what was said last."""
    if found.incident is None or found.stream is None:
        return found.says
    lines = timeline(project.workspace.ledger, found.incident.id)
    told = [part for line in lines for part in line.sentence.split("; ") if part.startswith(f"{found.stream.column} ")]
    return told[0] if told else found.stream.sentence


def by_day(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Money so far, day by day: live, frozen."""
    days = rows.drop_nulls("worth").group_by(pl.col("decide_at").dt.date().alias("day")).agg(
        pl.col("worth", "frozen_worth").sum()
    ).sort("day")  # fmt: skip
    return days.with_columns(pl.col("worth", "frozen_worth").cum_sum()).to_dicts()
