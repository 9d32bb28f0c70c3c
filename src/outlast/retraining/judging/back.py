"""What is live beside the version before it: what the one before would have decided on the same questions.

Its model is asked with the features that were served, which says the same only where both compute them alike. How much
the difference varies from day to day was seen while one stood beside the other: a storm of two days is no verdict.
Whether what is live harms is two questions: whether it earns less than its evaluation promised, and whether the version
before would earn more. Only both together take it back: a bad season is no fault of a version.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from outlast.bundle.predictor import open_predictor
from outlast.errors import OutlastError
from outlast.journal.reading import joined, predictions
from outlast.journal.spelling import from_text
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.retraining.judging.readout import READ, hours_of, paired_before
from outlast.retraining.judging.ruling import Ruling
from outlast.retraining.judging.sequential import Series, mean_of
from outlast.retraining.judging.told import Mean
from outlast.retraining.judging.worth import Scale, scale_of

MOST = 10_000
"""Answers that the version before is asked again: of more, the newest."""
ENOUGH = 100
"""Answers after which it counts that most are not the model's."""
BROKEN, WHOLE = 0.5, 0.05
"""Of its answers so many are not the model's: it is broken; at most so many: it was whole."""
_REACHES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
"""How far back its last answers are looked for, until there are enough."""


@dataclass(frozen=True)
class Back:
    """What a look back says: money promised and earned, and how much more the version before would have earned."""

    live: int
    before: int
    since: datetime
    unit: str
    promised: float | None
    earned: Mean | None
    better: Mean | None
    """How much more a decision of the version before is worth; None where that cannot be told."""
    why_not: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "since": self.since.isoformat()}


def rule_back(found: Back, tolerance: float) -> Ruling:
    """Whether what is live is taken back: it loses more than is tolerated, and the one before would not."""
    better, earned, promised = found.better, found.earned, found.promised
    if better is None:
        return Ruling("wait", found.why_not or "nothing is known yet", known=False)
    stake = abs(promised) if promised else None
    lost = None if earned is None or promised is None else promised - earned.high
    said = (
        f"version {found.before} would have earned {better.value:+.4g} {found.unit} more "
        f"({better.low:+.4g} to {better.high:+.4g}, {better.rows:,} known outcomes)"
    )
    if better.low <= 0:
        return Ruling("wait", said, known=False)
    if stake is None or better.low > tolerance * stake:
        return Ruling("give up", said)
    if lost is not None and lost > tolerance * stake:
        return Ruling("give up", f"it earns at least {lost:.4g} less than the {promised:.4g} promised, and {said}")
    return Ruling("wait", f"{said}, within the {tolerance:.0%} that may be lost", known=False)


def look_back(workspace: Workspace, live: Version, before: Version, since: datetime, now: datetime) -> Back:
    """What is known of a live version since it went live, beside the one before it."""
    scale = scale_of(workspace, live)
    rows = _rows(workspace, live, since, now)
    promise = live.summary.get("value")
    gains, hours = scale.gains(rows, now), hours_of(rows)
    known = np.isfinite(gains)
    earned = mean_of([Series(hours[known], gains[known], scale.apart)])
    promised = None if promise is None else promise["per_decision"]
    better, why_not = _better(workspace, (live, before), rows, (scale, now), since)
    return Back(live.number, before.number, since, scale.unit, promised, earned, better, why_not)


def broken(workspace: Workspace, live: Version, since: datetime, now: datetime) -> str | None:
    """Why a live version is broken by itself: most of its last answers are not its model's, and those before were."""
    rungs = pl.Series([], dtype=pl.String)
    for reach in _REACHES:
        rungs = _rungs(workspace, live.model, max(since, now - reach), now, live.number)
        if len(rungs) >= ENOUGH:
            break
    lower = int((rungs != "full").sum())
    if len(rungs) < ENOUGH or lower < BROKEN * len(rungs):
        return None
    earlier = _rungs(workspace, live.model, since - _REACHES[-1], since)
    if len(earlier) < ENOUGH or (earlier != "full").sum() > WHOLE * len(earlier):
        return None
    return f"{lower:,} of its last {len(rungs):,} answers are not its model's; before it nearly all were"


def would_have_decided(workspace: Workspace, version: Version, rows: pl.DataFrame) -> list[str]:
    """What a version would have decided on features that were served. This executes its code."""
    predictor = open_predictor(workspace, version.digest, version.number)
    try:
        given = [{**_named(row["asks"]), **_named(row["features"])} for row in rows.iter_rows(named=True)]
        types = workspace.tables.scan(version.summary["snapshot"]).collect_schema()
        columns = {
            name: pl.Series(name, [row.get(name) for row in given], dtype=types[name], strict=False)
            for name in predictor.features
        }
        table = predictor.score_features(pl.DataFrame(columns))
        made = [predictor.decision(scored, row) for scored, row in zip(table, given, strict=True)]
    finally:
        predictor.close()
    return [one if isinstance(one, str) else repr(one) for one in made]


def _rungs(workspace: Workspace, model: str, since: datetime, until: datetime, version: int | None = None) -> pl.Series:
    rows = predictions(workspace, model, since, until, clock="at")
    rows = rows if version is None else rows.filter(pl.col("version") == version)
    return rows.select("rung").collect()["rung"]


def _rows(workspace: Workspace, live: Version, since: datetime, now: datetime) -> pl.DataFrame:
    frame = joined(workspace, live.model, since, now, clock="at", as_of=now).filter(pl.col("version") == live.number)
    return frame.select(READ).sort("at").tail(MOST).collect()


def _better(
    workspace: Workspace, both: tuple[Version, Version], rows: pl.DataFrame, by: tuple[Scale, datetime], since: datetime
) -> tuple[Mean | None, str | None]:
    (live, before), (scale, now) = both, by
    if _computed(live) != _computed(before):
        return None, f"{live} and {before} compute their features otherwise, so what {before} would say is not known"
    full = rows.filter((pl.col("rung") == "full") & pl.col("features").is_not_null())
    ours = scale.worths(full, now)
    known = np.isfinite(ours)
    full, ours = full.filter(pl.Series(known)), ours[known]
    if full.is_empty():
        return None, "no outcome of its answers is known yet"
    try:
        decided = would_have_decided(workspace, before, full)
    except OutlastError as error:
        return None, f"{before} cannot be asked: {error.sentence}"
    theirs = scale.worths(full.with_columns(pl.Series("decision", decided)), now)
    told = np.isfinite(theirs)
    more = Series(hours_of(full)[told], (theirs - ours)[told], scale.paired)
    beside = paired_before(workspace, live.model, (live.number, before.number), since, by)
    return mean_of([more if beside is None else more.after(replace(beside, values=-beside.values))]), None


def _computed(version: Version) -> list[tuple[str, str]]:
    """What its features are, by their digests."""
    parts = version.lineage.get("features") or []
    return sorted((part["kind"], part["digest"]) for part in parts)


def _named(columns: str | None) -> Mapping[str, Any]:
    return {} if columns is None else from_text(columns)
