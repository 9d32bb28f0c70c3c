"""Counts how often a model passes as better than its equal: 200 A/A draws, each with fresh training and test rows."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from _report import conclude, table, where

from outlast.gates.champion import measured
from outlast.gates.pair import Pair
from outlast.project.contract import Contract, GateSection, ValueSection
from outlast.training.dataset import AT
from outlast.training.evaluation.paired import Blocks
from outlast.training.evaluation.value import Scored

DRAWS, MOST = 200, 16
"""Of 200 draws that each pass one time in twenty, more than 16 do so in one of forty cases."""
DAY = 86_400_000_000
PAYOFF = {"call": {"yes": 10.0, "no": -4.0}, "wait": {"yes": 0.0, "no": 0.0}}
CONTRACT = Contract(value=ValueSection(payoff=PAYOFF))
Fit = Callable[[Any, Any, int], Any]


def storms(rng: np.random.Generator, days: int, daily: int, storm: float) -> tuple[Any, Any, Any]:
    """Days of questions; in a storm, outcomes of a whole day come more often and hang otherwise on what is known."""
    day = np.repeat(np.arange(days), daily)
    x = rng.normal(size=(len(day), 6))
    tide, turn = rng.normal(0, storm, days)[day], rng.normal(0, storm / 2, days)[day]
    odds = 0.8 * x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + (0.3 + turn) * x[:, 3] + tide - 1.0
    y = (rng.random(len(day)) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return x, y, day * DAY + rng.integers(0, DAY, len(day))


def logistic(x: Any, y: Any, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=seed).fit(x, y)


def trees(x: Any, y: Any, seed: int) -> Any:
    from lightgbm import LGBMClassifier

    shape = {"n_estimators": 40, "learning_rate": 0.1, "num_leaves": 15, "min_child_samples": 40}
    return LGBMClassifier(**shape, random_state=seed, num_threads=1, verbose=-1).fit(x, y)


def pair(fit: Fit, seed: int, *, days: int, daily: int, storm: float) -> Pair:
    """Two models of one process, each on training rows of its own, and test rows that neither saw."""
    rng = np.random.default_rng(seed)
    x, y, at = storms(rng, days, daily, storm)
    rows, sides = pl.DataFrame({AT: at}), []
    for number in range(2):
        known, happened, _ = storms(rng, days * 2, daily, storm)
        chances = fit(known, happened, seed * 2 + number).predict_proba(x)
        sides.append(Scored(CONTRACT, "binary", ["no", "yes"], rows, chances, y))
    earned = float(np.where(sides[1].table[:, 1] > 4 / 14, np.where(y == 1, 10.0, -4.0), 0.0).mean())
    against: Any = SimpleNamespace(number=1, summary={"value": {"per_decision": earned}})
    return Pair(sides[0], sides[1], against, 0)


def lucky(fit: Fit, *, storm: float, draws: int = DRAWS, days: int = 40, daily: int = 50) -> dict[str, int]:
    """How many of the draws pass as better: by the gate's rule, in each metric and money; and by two weaker rules."""
    found = dict.fromkeys(("roc_auc", "log_loss", "money", "roc_auc, no margin", "roc_auc, rows drawn, no margin"), 0)
    for seed in range(draws):
        one = pair(fit, seed, days=days, daily=daily, storm=storm)
        gate = GateSection()
        auc, money = measured(one, gate, "roc_auc", seed=seed)
        found["roc_auc"] += auc.found == "better"
        found["money"] += money.found == "better"
        found["log_loss"] += measured(one, gate, "log_loss", seed=seed)[0].found == "better"
        found["roc_auc, no margin"] += auc.apart.low > 0
        one.__dict__["blocks"] = Blocks(np.arange(len(one.y)), "row")
        found["roc_auc, rows drawn, no margin"] += measured(one, gate, "roc_auc", seed=seed)[0].apart.low > 0
    return found


def main() -> int:
    processes = {
        "logistic, no storms": (logistic, 0.0),
        "logistic, storms": (logistic, 1.0),
        "trees, no storms": (trees, 0.0),
        "trees, storms": (trees, 1.0),
    }
    counts = {}
    for name, (fit, storm) in processes.items():
        counts[name] = lucky(fit, storm=storm)
        print(f"{name}: {counts[name]}", flush=True)
    names = list(next(iter(counts.values())))
    rows = [(name, *(str(found[one]) for one in names)) for name, found in counts.items()]
    said = table((f"better, of {DRAWS} A/A draws", *names), rows)
    worst = max(found[one] for found in counts.values() for one in names[:3])
    bar = f"at most {MOST} of {DRAWS} draws pass as better by the gate's rule, in any metric and process; {worst} did."
    return conclude("luck", found=said, bar=bar, held=worst <= MOST, machine=where("scikit-learn", "lightgbm"))


if __name__ == "__main__":
    sys.exit(main())
