"""Experiment 9: labels that come late, and the outcome that is watched latest of all."""

import math

import numpy as np
from _many import Many
from _said import Result, median_interval, said

from outlast.monitoring.counting.waiting import TIMES, Waiting
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table

MEDIAN, SPREAD, SLOWER = 7 * 24.0, 0.6, 3.0
ROWS = 50
DUE = 26 * 24
"""A declared maturity: the hours after which 95 of 100 labels were here, before the lag changed."""
WARM, LIVE, LATER = 100, 60, 180
"""Days until all that is judged is as usual, days watched before the change, and after it."""


def found_after(case: str, *, runs: int, waits: bool = True, seed: int = 19) -> tuple[list[float], int]:
    """Rows judged from the change to the first alarm after it, and how many runs alarm where nothing moved.

    By the rule of the live checks, `counting.waiting`: losses, and outcomes by score, both ways. A label is in the
    check in which its cohort is put there, or in the one in which it comes after that; the reference has all labels.
    Without `waits` every cohort is put there at maturity.
    """
    rng = np.random.default_rng([seed, len(case)])
    found, early = [], 0
    for _ in range(runs):
        hours, turn = (WARM + LIVE + LATER) * 24, (WARM + LIVE) * 24
        after = np.arange(hours) >= turn
        rate = np.where(after & (case in ("immediate", "late")), 0.15, 0.10)
        lag = np.where(after, {"slower": 2.0, "faster": 0.5}.get(case, 1.0), 1.0)
        yes = rng.random((hours, ROWS)) < rate[:, None]
        median = MEDIAN * lag[:, None] * np.where(yes, SLOWER, 1.0)
        took = median * np.exp(SPREAD * rng.normal(size=yes.shape)) * (case != "immediate")
        due = _due(took, waits) if case != "immediate" else np.zeros(hours)
        shown = np.maximum(took, due[:, None]) + np.arange(hours)[:, None]
        delay, false = _judged(rng, (shown, yes), turn)
        found.append(delay)
        early += false + (case in ("slower", "faster") and math.isfinite(delay))
    return found, early


def _due(took: np.ndarray, waits: bool) -> np.ndarray:
    """At which age each cohort is put into a check."""
    if not waits:
        return np.full(len(took), DUE)
    slow = ((took > DUE / 2) & (took <= DUE)).sum(axis=1)
    waiting = Waiting().after({hour: (ROWS, int(n)) for hour, n in enumerate(slow)}, 1)
    return np.where(waiting.waits(np.arange(len(took))), TIMES * DUE, DUE)


def _judged(rng: np.random.Generator, cohorts: tuple[np.ndarray, np.ndarray], turn: int) -> tuple[float, int]:
    shown, yes = cohorts
    hits = rng.binomial(20_000, 0.10)
    by_outcome = np.zeros((1, 20, 2), np.int64)
    by_outcome[0, 5] = 20_000 - hits, hits
    tables = {
        "loss": Table(("loss",), np.array([[20_000, 1000 * hits]])),
        "calibration": Table(("calibration",), by_outcome),
    }
    many = Many(planned(tables, Budget()).pages, 1, dtype=np.float64)
    check = np.ceil(shown).astype(int).ravel()
    last, begin = len(yes), WARM * 24
    inside = check < last
    rows = np.bincount(check[inside], minlength=last)
    ones = np.bincount(check[inside], yes.ravel()[inside], minlength=last).astype(int)
    late = np.repeat(np.arange(len(yes)), ROWS) >= turn
    fresh = np.bincount(check[inside], late[inside], minlength=last)
    seen, false = 0.0, 0
    for at in range(begin, last):
        seen += fresh[at]
        outcomes = np.zeros((1, 1, 20, 2), np.int64)
        outcomes[0, 0, 5] = rows[at] - ones[at], ones[at]
        counts = {"loss": np.array([[[rows[at], 1000 * ones[at]]]]), "calibration": outcomes}
        if many.step(counts, at * HOUR):
            if at >= turn:
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
        _, once = found_after(case, runs=runs, waits=False)
        results.append(Result(9, f"only the lag changes, {words}: runs that page within {LATER} days",
                              f"{false} of {runs}; {once} if cohorts were judged at maturity", "none", false == 0,
                              {"false": false, "at maturity": once}))  # fmt: skip
    return results
