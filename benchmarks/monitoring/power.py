"""Experiments 5 and 6: after how many rows a shift is found."""

import math

import numpy as np
from _many import Many
from _said import Result, median_interval, said
from _worlds import category_shares, draw, everything, mixed, number_shares, reference

from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR

SHIFTS = {
    "mean moved by 0.2 sigma": ("ticket", number_shares(0.2), 2500),
    "mean moved by 0.5 sigma": ("ticket", number_shares(0.5), 500),
    "scale x 1.25": ("ticket", number_shares(0.0, 1.25), 2200),
    "missing 0 to 2 %": ("page", number_shares(missing=0.02), 1000),
    "unseen category 1 %": ("page", category_shares(10, unseen=0.01), 1000),
}


def delays(what: str, *, runs: int, rows: int = 200, before: int = 48, after: int = 300, seed: int = 5) -> list[float]:
    """Rows from the shift of one of 100 features to its alarm, by run; infinite where none came."""
    severity, moved, _ = SHIFTS[what]
    rng = np.random.default_rng(seed)
    shares, kinds = mixed(100)
    place = 1 if "category" in what else 2
    shares[place] = category_shares(10) if place == 1 else number_shares()
    found = [math.inf] * runs
    group = 10
    for first in range(0, runs, group):
        plan = planned(everything(rng, reference(rng, 50_000, shares, kinds)), Budget())
        bank = plan.pages if severity == "page" else plan.tickets
        only = tuple(one for one in bank.families if one.source == "features")
        many = Many(Bank(bank.severity, only, bank.log_threshold), group)
        now = shares
        for check in range(before + after):
            if check == before:
                now = shares.copy()
                now[place] = moved
            for copy, names in many.step({"features": draw(rng, rows, now, group)}, check * HOUR):
                mine = first + copy
                if check >= before and mine < runs and any(name.endswith(f": f{place}") for name in names):
                    found[mine] = min(found[mine], (check - before + 1) * rows)
            if check >= before and all(math.isfinite(one) for one in found[first : first + group]):
                break
    return found


def experiment_5(quick: bool) -> list[Result]:
    results = []
    for what, (severity, _, bar) in SHIFTS.items():
        found = delays(what, runs=10 if quick else 100)
        middle = median_interval(found)[0]
        results.append(
            Result(5, f"power, 1 of 100 features, 200 rows a check, {severity}s: {what}: median rows", said(found),
                   f"at most {bar:,}", middle <= bar, {"rows": found})
        )  # fmt: skip
    return results
