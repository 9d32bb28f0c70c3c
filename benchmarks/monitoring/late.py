"""Experiment 9: labels that come late, and the outcome that is watched latest of all."""

import math

import numpy as np
from _many import Many
from _said import Result, median_interval, said

from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.ripening import COVERED, TOGETHER
from outlast.monitoring.detecting.tables import HOUR, Table

MEDIAN, SPREAD, SLOWER = 7 * 24.0, 0.6, 3.0
ROWS = 50
DAYS_BEFORE, DAYS_AFTER = 120, 60


def cohorts(rng: np.random.Generator, rate: np.ndarray, lag: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each hour's cohort: when all up to it are ripe, and the labels and yeses it had when it was itself."""
    hours = len(rate)
    yes = rng.random((hours, ROWS)) < rate[:, None]
    median = MEDIAN * lag[:, None] * np.where(yes, SLOWER, 1.0)
    came = np.arange(hours)[:, None] + median * np.exp(SPREAD * rng.normal(size=yes.shape))
    own = np.empty(hours)
    for hour in range(hours):
        last = came[max(0, hour + 1 - TOGETHER) : hour + 1].ravel()
        place = math.ceil(COVERED * len(last)) - 1
        own[hour] = np.partition(last, place)[place]
    at = np.maximum.accumulate(own)
    here = came <= own[:, None]
    return at, here.sum(axis=1), (here & yes).sum(axis=1)


def found_after(case: str, *, runs: int, seed: int = 9) -> tuple[list[float], int]:
    """Cohort rows from the change to the first alarm after it, and how many runs alarm where nothing moved."""
    rng = np.random.default_rng([seed, len(case)])
    before, after = DAYS_BEFORE * 24, DAYS_AFTER * 24
    found, early = [], 0
    for _ in range(runs):
        reference = cohorts(rng, np.full(40_000 // ROWS, 0.10), np.ones(40_000 // ROWS))
        if case == "immediate":
            hits = rng.binomial(20_000, 0.10)
            table = Table(("loss",), np.array([[20_000, 1000 * hits]]))
        else:
            half = 20_000 // ROWS  # the first half only starts the queue
            table = Table(("loss",), np.array([[reference[1][half:].sum(), 1000 * reference[2][half:].sum()]]))
        changed = np.arange(before + after) >= before
        rate = np.where(changed & (case in ("immediate", "late")), 0.15, 0.10)
        lag = np.ones(len(rate))
        lag[changed] = {"slower": 2.0, "faster": 0.5}.get(case, 1.0)
        if case == "immediate":
            at, n = np.arange(len(rate), dtype=float), np.full(len(rate), ROWS)
            yes = rng.binomial(ROWS, rate)
        else:
            at, n, yes = cohorts(rng, rate, lag)
        delay, false = _watched(table, (at, n, yes), before)
        found.append(delay)
        early += false
        if case in ("slower", "faster") and math.isfinite(delay):
            early += 1
    return found, early


def _watched(table: Table, cohorts: tuple[np.ndarray, ...], before: int) -> tuple[float, int]:
    """Hour by hour, what has become ripe in it."""
    at, n, yes = cohorts
    plan = planned({"loss": table}, Budget())
    many = Many(Bank("page", plan.pages.families, plan.pages.log_threshold), 1, dtype=np.float64)
    hour = np.ceil(at).astype(int)
    last = int(hour.max())
    rows, hits, fresh = (
        np.bincount(hour, weights, last + 1) for weights in (n, yes, n * (np.arange(len(n)) >= before))
    )
    seen, false = 0.0, 0
    for check in range(last + 1):
        seen += fresh[check]
        counts = {"loss": np.array([[[rows[check], 1000 * hits[check]]]])}
        if many.step(counts, check * HOUR):
            if check >= before:
                return seen, false
            false = 1
    return math.inf, false


def experiment_9(quick: bool) -> list[Result]:
    runs = 10 if quick else 100
    now, _ = found_after("immediate", runs=runs)
    late, early = found_after("late", runs=runs)
    ratio = median_interval(late)[0] / median_interval(now)[0]
    results = [
        Result(9, "rate .10 to .15, late labels against immediate ones: median rows whose labels were here",
               f"{said(late)} against {said(now)}: x {ratio:.2f}; {early} of {runs} before", "at most x 1.3",
               ratio <= 1.3, {"late": late, "immediate": now})
    ]  # fmt: skip
    for case, words in (("slower", "twice as slow"), ("faster", "twice as quick")):
        _, false = found_after(case, runs=runs)
        results.append(Result(9, f"only the lag changes, {words}: runs that page within 60 days",
                              f"{false} of {runs}", "none", false == 0, {"false": false}))  # fmt: skip
    return results
