"""Two equal models: how often the gate calls one of them better. The whole form is benchmarks/luck.py."""

from types import SimpleNamespace

import numpy as np
import polars as pl

from outlast.gates.champion import measured
from outlast.gates.pair import Pair
from outlast.project.contract import Contract, GateSection, ValueSection
from outlast.training.dataset import AT
from outlast.training.evaluation.value import Scored

DAY = 86_400_000_000
CONTRACT = Contract(value=ValueSection(payoff={"call": {"yes": 10, "no": -4}, "wait": {"yes": 0, "no": 0}}))
DRAWS, MOST = 200, 16


def process(rng: np.random.Generator, days: int):
    """Days with storms: the tide of a day is known to nobody, and what it does to the outcomes hangs on the row."""
    day = np.repeat(np.arange(days), 20)
    x = rng.normal(size=(len(day), 3))
    tide, turn = rng.normal(0, 0.7, days)[day], rng.normal(0, 0.5, days)[day]
    odds = x[:, 0] + (0.4 + turn) * x[:, 1] + tide - 0.5
    return x, (rng.random(len(day)) < 1 / (1 + np.exp(-odds))).astype(np.int64), day * DAY


def fitted(rng: np.random.Generator):
    """A logistic regression by Newton's method, fitted on rows of its own."""
    x, y, _ = process(rng, 30)
    design, weights = np.column_stack([np.ones(len(y)), x]), np.zeros(4)
    for _ in range(6):
        chance = 1 / (1 + np.exp(-design @ weights))
        weights += np.linalg.solve(design.T @ (design * (chance * (1 - chance))[:, None]), design.T @ (y - chance))
    return weights


def pair(seed: int) -> Pair:
    rng = np.random.default_rng(seed)
    x, y, at = process(rng, 25)
    sides = []
    for _ in range(2):
        chance = 1 / (1 + np.exp(-np.column_stack([np.ones(len(y)), x]) @ fitted(rng)))
        table = np.column_stack([1 - chance, chance])
        sides.append(Scored(CONTRACT, "binary", ["no", "yes"], pl.DataFrame({AT: at}), table, y))
    return Pair(*sides, SimpleNamespace(number=1, summary={"value": {"per_decision": 1.5}}), 0)


def test_of_two_hundred_equal_models_sixteen_at_most_pass_as_better() -> None:
    better = {"roc_auc": 0, "USD a decision": 0}
    for seed in range(DRAWS):
        for one in measured(pair(seed), GateSection(), "roc_auc", seed=seed):
            better[one.name] += one.found == "better"
    assert max(better.values()) <= MOST


def test_a_model_that_is_better_is_called_so() -> None:
    """The same count without a difference would pass a rule that never calls anything better."""
    found = 0
    for seed in range(20):
        one = pair(seed)
        noise = np.random.default_rng(seed).normal(0, 0.3, len(one.y))
        worse = np.clip(one.theirs.table[:, 1] + noise, 0.001, 0.999)
        theirs = Scored(CONTRACT, "binary", ["no", "yes"], one.theirs.rows, np.column_stack([1 - worse, worse]), one.y)
        found += measured(Pair(one.ours, theirs, one.against, 0), GateSection(), "roc_auc", seed=1)[0].found == "better"
    assert found >= 18
