"""Rows that got no answer, held against the share that the contract allows: windows and days are judged, each once.

Rows that were refused are no predictions, and counted from their own table. A window, or a day, is told of when its
share is further above the limit than chance explains within the page budget, over all of a year's windows and days.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import polars as pl

from outlast.journal.reading import predictions, refusals
from outlast.monitoring import evidence
from outlast.monitoring.counting.windows import starts_of
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding, Scale
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.types import EPOCH, utc

BACK = timedelta(days=2)
"""How far back windows are judged again: a tick that did not come for longer tells of the newest only."""
ENOUGH = 20
"""Rows below which no share is judged."""
_CAUSES = 3

Key = tuple[int, datetime]


def judge_refusals(
    workspace: Workspace, model: str, main: Subject, *, now: datetime, subject: Callable[[int], Subject]
) -> int:
    """Hold every complete window and day against the contract's limit; returns how many alerts are new."""
    limit = main.contract.monitoring.refusals
    if limit is None:
        return 0
    begin, raised = starts_of(utc(now) - BACK, timedelta(days=1)), 0
    scales: tuple[tuple[Scale, timedelta], ...] = (("window", main.cadence), ("day", timedelta(days=1)))
    checks = timedelta(days=365) / main.cadence + 365
    beyond = evidence.threshold(checks, main.contract.monitoring.budget)
    lost = refusals(workspace, model, begin).select("version", "at", "reasons").collect()
    if lost.is_empty():
        return 0
    for scale, length in scales:
        for (version, start), told in _found(workspace, model, lost, length, (limit, beyond)):
            if start + length > utc(now):
                continue
            scope = Scope(model, version, scale, start, start + length)
            with workspace.ledger.write() as connection:
                raised += raise_findings(connection, scope, [told], subject(version).contract, now)
    return raised


def _found(
    workspace: Workspace, model: str, lost: pl.DataFrame, length: timedelta, allowed: tuple[float, float]
) -> Iterator[tuple[Key, Finding]]:
    """Windows of this length whose share of refused rows is too large, oldest first."""
    refused = _counted(lost.lazy(), length)
    first = min(start for _, start in refused)
    answered = _counted(predictions(workspace, model, first, clock="at"), length)
    for key in sorted(refused, key=lambda key: (key[1], key[0])):
        rows = refused[key] + answered.get(key, 0)
        deviation = evidence.rate_deviation(refused[key], rows, allowed[0])
        if rows >= ENOUGH and deviation > allowed[1]:
            yield key, _finding(refused[key], rows, allowed[0], deviation, _reasons(lost, key, length))


def _counted(rows: pl.LazyFrame, length: timedelta) -> dict[Key, int]:
    number = pl.col("at").dt.epoch("us") // (length // timedelta(microseconds=1))
    found = rows.group_by("version", number.alias("window")).len().collect()
    return {(int(version), EPOCH + int(window) * length): int(count) for version, window, count in found.iter_rows()}


def _reasons(lost: pl.DataFrame, key: Key, length: timedelta) -> str:
    """The most frequent reasons, without their row's place."""
    version, start = key
    mine = lost.filter((pl.col("version") == version) & pl.col("at").is_between(start, start + length, closed="left"))
    said = Counter(reasons[0].partition(", ")[2] or reasons[0] for reasons in mine["reasons"].to_list() if reasons)
    return "; ".join(f"{count} times {reason[:120]}" for reason, count in said.most_common(_CAUSES))


def _finding(refused: int, rows: int, limit: float, deviation: float, reasons: str) -> Finding:
    says = (
        f"{refused:,} of {rows:,} rows were refused ({refused / rows:.1%}), more than the {limit:.2%} of the contract: "
    )
    return Finding("refusals", None, "page", says + reasons, deviation)
