"""Whether a version is as fast as it has to be: each answer over HTTP, a scheduled table by its deadline, or both."""

import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from outlast.bundle.predictor import open_bundle
from outlast.gates.case import Case
from outlast.gates.latency import fast_enough
from outlast.gates.verdict import Check
from outlast.serving.scoring.kept import Run
from outlast.serving.scoring.part import Scorer
from outlast.types import counted, duration

_FIRST, _ROWS, _QUICK = 200, 5_000, 2.0
"""Rows that are scored first; how many more, where those took less than so many seconds."""


def in_time(case: Case, *, now: datetime) -> Check:
    """What is asked over HTTP by `fast_enough`, what is scored on a schedule by its deadline."""
    plan, serving = case.contract.scoring, case.contract.serving
    if plan.schedule is None:
        return fast_enough(case, now=now)
    table = by_deadline(case, now=now)
    if serving.p99 is None and serving.rate is None:
        return table
    asked = fast_enough(case, now=now)
    passed = False if False in (asked.passed, table.passed) else None if None in (asked.passed, table.passed) else True
    return Check("latency", passed, f"{asked.says}; {table.says}", {**asked.evidence, **table.evidence})


def by_deadline(case: Case, *, now: datetime) -> Check:
    """Whether as many rows as the contract expects are scored before its deadline, by one process."""
    plan = case.contract.scoring
    if plan.deadline is None or plan.rows is None:
        says = "the contract does not say scoring.deadline and scoring.rows: say them, then outlast apply"
        return Check("latency", None, says)
    rate = _rate(case, now)
    needed, limit = plan.rows / rate, duration(plan.deadline).total_seconds()
    says = (
        f"{counted(round(rate * 60), 'row')} a minute in one process, so {plan.rows:,} take {_long(needed)}; "
        f"they are needed within {plan.deadline}"
    )
    if needed > limit:
        says = f"{says}: make the model or its lookups quicker, or promise less"
    return Check("latency", needed <= limit, says, {"rows_per_minute": rate * 60, "seconds": needed})


def _rate(case: Case, now: datetime) -> float:
    """Rows a second, its golden requests over and over, looked up as the contract says."""
    version = case.candidate
    golden = [row["request"] for row in open_bundle(case.workspace, version.digest).json("golden.json")]
    with TemporaryDirectory(prefix="outlast-gate-") as folder:
        run = Run(version.model, version.number, version.digest, "golden", len(golden), "", case.contract.scoring.facts,
                  False, _ROWS, now)  # fmt: skip
        scorer = Scorer(case.workspace, run, Path(folder), "golden")
        scorer.score(0, _table(golden, _FIRST))
        seconds = _took(scorer, _table(golden, _FIRST))
        if seconds > _QUICK:
            return _FIRST / seconds
        return _ROWS / _took(scorer, _table(golden, _ROWS))


def _table(golden: list[dict[str, object]], rows: int) -> pl.DataFrame:
    return pl.DataFrame([golden[n % len(golden)] for n in range(rows)], infer_schema_length=None)


def _took(scorer: Scorer, rows: pl.DataFrame) -> float:
    begin = time.perf_counter()
    scorer.score(1, rows)
    return time.perf_counter() - begin


def _long(seconds: float) -> str:
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.2g} s"
