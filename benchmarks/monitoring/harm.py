"""Experiment 7: twenty shifts that cost something and twenty of equal size that cost nothing, and who is paged.

Rows are drawn anew from a large pool of answers with weights that move one column by as much in both; a second weight,
on the loss that is expected of each row, keeps the mean loss where it was or raises it. An alarm becomes a page only if
the account of the rows since puts the lower limit of what they cost above nothing.
"""

from dataclasses import dataclass

import numpy as np
from _faults import Shop
from _many import Many
from _said import Result
from _worlds import names

from outlast.data.past import Reference
from outlast.monitoring.causes.split import split, usual_loss
from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table

COLUMNS = ("temp", "wind", "late_3d", "amount", "visib")
POOL = 120_000
ROWS, BEFORE, AFTER = 200, 48, 120
RAISED = 1.35
"""By what a harmful shift multiplies the mean loss."""


@dataclass
class Shift:
    """Weights on the pool: a column moved by some of its standard deviations."""

    column: str
    by: float
    weights: np.ndarray


class Pool:
    """Answers of the shop in an unchanged world, to draw from."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.rows = shop, shop.rows(POOL, 7)
        self.past = shop.past
        self.leaves = self.past.tree.leaves(self.rows.cells)
        self.usual = usual_loss(self.past.totals.by_leaf)[self.leaves, self.rows.score_cells]
        self.mills = self.rows.mills / 1000
        self.place = {name: place for place, name in enumerate(self.past.features)}

    def shift(self, column: str, by: float, raised: float) -> Shift:
        """Weights under which the column's rank moves by `by` and the mean loss is multiplied by `raised`."""
        cells = self.rows.cells[:, self.place[column]].astype(float)
        inside = np.where(cells < 16, cells, np.median(cells))
        x = (inside - inside.mean()) / inside.std()
        y = (self.usual - self.usual.mean()) / self.usual.std()
        k = m = 0.0
        for _ in range(200):  # Newton's steps on two sums at once
            w = np.exp(k * x + m * y)
            w /= w.sum()
            means = np.array([w @ x, w @ self.mills])
            away = np.array([by, raised * self.mills.mean()]) - means
            if np.abs(away).max() < 1e-6:
                break
            slope = np.array([[w @ (a * b) - (w @ a) * (w @ b) for b in (x, y)] for a in (x, self.mills)])
            k, m = np.array([k, m]) + np.clip(np.linalg.solve(slope, away), -0.3, 0.3)
        return Shift(column, by, w)

    def counts(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        rows: Reference = self.rows.part(chosen)
        outcomes = np.zeros((20, 2), np.int64)
        np.add.at(outcomes, (rows.score_cells, rows.sides), 1)
        return {
            "scores": outcomes.sum(axis=1)[None, None],
            "calibration": outcomes[None, None],
            "loss": np.array([[[len(chosen), int(rows.mills.sum())]]]),
        }

    def table(self, chosen: np.ndarray) -> np.ndarray:
        found = np.zeros((32, 20, 2), np.int64)
        mills = self.rows.mills[chosen]
        both = np.stack([np.ones_like(mills), mills], axis=1)
        np.add.at(found, (self.leaves[chosen], self.rows.score_cells[chosen]), both)
        return found


def watched(pool: Pool, shift: Shift, seed: int) -> tuple[int, int, float]:
    """Alarms, pages, and the column's own movement in standard deviations, over ten days with labels at once."""
    rng = np.random.default_rng([7, seed])
    totals = pool.past.totals
    outcomes, reference = totals.by_outcome[..., 0], totals.by_leaf
    tables = {
        "scores": Table(("score",), outcomes.sum(axis=1)[None], kinds=("number",)),
        "calibration": Table(("calibration",), outcomes[None]),
        "loss": Table(("loss",), reference.sum(axis=(0, 1))[None]),
        "features": Table(names(100), np.full((100, 20), 2_500)),
    }
    plan = planned(tables, Budget()).pages
    bank = Bank(plan.severity, tuple(one for one in plan.families if one.source != "features"), plan.log_threshold)
    many = Many(bank, 1)
    reach = np.cumsum(shift.weights)
    alarms = pages = 0
    since: list[np.ndarray] = []
    for check in range(BEFORE + AFTER):
        even = rng.integers(0, POOL, ROWS)
        chosen = even if check < BEFORE else np.minimum(np.searchsorted(reach, rng.random(ROWS) * reach[-1]), POOL - 1)
        since = [*since[-AFTER:], chosen]
        if many.step(pool.counts(chosen), check * HOUR):
            alarms += 1
            parts = split(reference, pool.table(np.concatenate(since[-max(1, check - BEFORE + 1) :])))
            pages += parts.change - 1.96 * parts.errors["change"] > 0
    return alarms, int(pages > 0), shift.by


def experiment_7(quick: bool) -> list[Result]:
    pool = Pool(Shop(21))
    number = 5 if quick else 20
    found = {}
    for kind, raised in (("benign", 1.0), ("harmful", RAISED)):
        shifts = []
        for place in range(number):
            by = 0.5 if place % 2 else -0.5
            shifts.append(pool.shift(COLUMNS[place % len(COLUMNS)], by, raised))
        found[kind] = [watched(pool, shift, place) for place, shift in enumerate(shifts)]
    paged = {kind: sum(pages for _, pages, _ in several) for kind, several in found.items()}
    alarmed = {kind: sum(alarms > 0 for alarms, _, _ in several) for kind, several in found.items()}
    total = paged["benign"] + paged["harmful"]
    share = paged["harmful"] / max(1, total)
    what = f"{number} shifts of half a standard deviation that cost nothing, {number} that raise the loss by a third"
    return [
        Result(7, f"{what}: pages", f"{paged['harmful']} harmful, {paged['benign']} benign",
               "at least 95 % on harmful, at most 1 on benign", share >= 0.95 and paged["benign"] <= 1,
               {"paged": paged, "alarmed": alarmed}),
        Result(7, "harmful shifts that are paged at all", f"{paged['harmful']} of {number}", "told", None, {}),
        Result(7, "shifts that alarm any stream", f"{alarmed['harmful']} harmful, {alarmed['benign']} benign", "told",
               None, {}),
    ]  # fmt: skip
