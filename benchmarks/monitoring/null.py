"""Experiments 1 to 4: how often nothing is called something."""

import numpy as np
from _many import Many
from _said import Result, binomial_interval
from _worlds import YEAR, Scored, draw, mixed, reference

from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.bets import Means
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table


def calm_years(
    rows: int, years: int, *, checks: int = YEAR, streams: int = 100, seed: int = 1
) -> dict[str, np.ndarray]:
    """Alarms of each year in which nothing moves: every year has a reference of its own, of 50,000 rows."""
    rng = np.random.default_rng([seed, rows])
    shares, kinds = mixed(streams)
    model, found = Scored(), {"page": [], "ticket": []}
    for _ in range(years):
        tables = {"features": reference(rng, 50_000, shares, kinds), **model.tables(rng, 50_000)}
        plan = planned(tables, Budget())
        banks = [Many(bank, 1) for bank in plan.banks]
        alarms = {"page": 0, "ticket": 0}
        for first in range(0, checks, 100):
            size = min(100, checks - first)
            counts = {"features": draw(rng, rows, shares, size), **model.draw(rng, rows, size)}
            for step in range(size):
                mine = {name: table[step : step + 1] for name, table in counts.items()}
                for bank in banks:
                    alarms[bank.bank.severity] += len(bank.step(mine, (first + step) * HOUR))
        for severity, number in alarms.items():
            found[severity].append(number)
    return {severity: np.array(numbers) for severity, numbers in found.items()}


def experiment_1(quick: bool) -> list[Result]:
    results, years = [], 2 if quick else 20
    for rows in (50, 200, 2000):
        found = calm_years(rows, years, checks=1000 if quick else YEAR)
        paged = int((found["page"] > 0).sum())
        low, high = binomial_interval(paged, years)
        results.append(
            Result(1, f"null, i.i.d., {rows:,} rows an hour, 100 features: years with a page",
                   f"{paged} of {years} ({low:.0%}–{high:.0%}); {int(found['ticket'].sum())} tickets in all",
                   "at most 3 of 20", paged <= 3, {name: numbers.tolist() for name, numbers in found.items()})
        )  # fmt: skip
    return results


def bounded(case: str, *, runs: int, checks: int = 200, rows: int = 200, seed: int = 4) -> int:
    """Short runs at A = T / 0.05: how many alarm at all."""
    rng = np.random.default_rng(seed)
    shares, kinds = mixed(100)
    share_of = np.repeat(shares[:1], 100, axis=0) if case == "identical" else shares
    kind_of = ("number",) * 100 if case == "identical" else kinds
    known = Table(tuple(f"f{i}" for i in range(100)), np.round(share_of * 1e12).astype(np.int64), kinds=kind_of)
    plan = planned({"features": known}, Budget())
    bank = Bank("ticket", plan.tickets.families, float(np.log(checks / 0.05)))
    if case != "independent":
        for one in bank.families:
            assert isinstance(one.bets, Means)
            object.__setattr__(one.bets, "slack", np.zeros_like(one.bets.slack))
    alarmed = 0
    for first in range(0, runs, 50):
        size = min(50, runs - first)
        many, hit = Many(bank, size), np.zeros(size, bool)
        for check in range(checks):
            if case == "identical":
                counts = np.repeat(draw(rng, rows, share_of[:1], size), 100, axis=1)
            else:
                counts = draw(rng, rows, share_of, size)
            for copy, _ in many.step({"features": counts}, check * HOUR):
                hit[copy] = True
        alarmed += int(hit.sum())
    return alarmed


def experiment_4(quick: bool) -> list[Result]:
    runs = 100 if quick else 1000
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    words = {
        "independent": "i.i.d., 100 features, the margins that are shipped",
        "boundary": "i.i.d., 100 features, no margin: the truth stands at the limit itself",
        "identical": "100 identical features, no margin",
    }
    results = []
    for case, what in words.items():
        alarmed = bounded(case, runs=runs)
        low, high = binomial_interval(alarmed, runs)
        results.append(
            Result(4, f"guarantee: {what}: runs that alarm, A = T / 0.05",
                   f"{alarmed / runs:.1%} ({low:.1%}–{high:.1%})", f"at most {limit:.1%}", alarmed / runs <= limit,
                   {"alarmed": alarmed, "runs": runs})
        )  # fmt: skip
    return results
