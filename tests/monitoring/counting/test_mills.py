"""Losses in thousandths, by cell, leaf, pair and age, for each kind of answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from graded_rows import NOW, one, terms

from outlast.data.past import Declared, HarmTree, LossScale, Pairs, Past
from outlast.data.past.declared import Word
from outlast.monitoring.counting.grading import count

TREE = HarmTree((0, -1, -1), (0b1, 0, 0), (1, -1, -1), (2, -1, -1), (0, 0, 1))
CHANCES, TWELVE = '{"a":0.2,"b":0.8}', {"score": 12.0, "decision": "12.0"}
PAIRS = Pairs([(0, 1, 1, 2), (0, 1, 1, 3)])


def counted(scale: LossScale, task: Any = "binary", **row: Any):
    past = Past(("wind", "origin"), None, None, None, scale, TREE, PAIRS, None)
    return count(one(cells=b"\1\2", **row), replace(terms(task=task), past=past), NOW)


def test_a_matured_loss_is_counted_wherever_it_lies() -> None:
    payoff = {"act": {"yes": 120.0, "no": -25.0}, "wait": {"yes": 0.0, "no": 0.0}}
    scale = LossScale("payoff", ["no", "yes"], payoff, span=100.0)
    found = counted(scale, score=0.9, decision="act", value="false")
    assert found.array("loss").tolist() == [1, 250]
    assert found.moment("mills").sum == 250
    assert found.array("found")[0, 1].tolist() == found.array("found")[1, 2].tolist() == [1, 250]
    assert found.array("graded_leaves")[1].sum(axis=0).tolist() == [1, 250]  # the first feature's cell goes right
    assert found.array("leaves")[1].sum() == found.array("leaves").sum() == 1
    assert found.array("pairs")[:2].tolist() == [[1, 250], [0, 0]]
    assert found.array("aged").sum(axis=0).tolist() == [1, 250]
    assert counted(scale, score=0.9, decision="default", value="false").array("loss").tolist() == [0, 0]


def test_an_early_label_counts_by_its_age_only() -> None:
    scale = LossScale("error", ["no", "yes"])
    early = {"decide_at": NOW - timedelta(hours=9), "known_at": NOW - timedelta(hours=7)}
    found = counted(scale, score=0.9, decision="yes", value="false", **early)
    assert (found.array("loss").sum(), found.array("aged")[1].tolist()) == (0, [1, 1000])


@pytest.mark.parametrize(
    ("scale", "task", "row", "mills"),
    [
        (LossScale("error", ["a", "b"]), "multiclass", {"scores": CHANCES, "decision": "b", "value": '"a"'}, 1000),
        (LossScale("squared", span=8.0), "regression", {**TWELVE, "value": "10.0"}, 500),
        (LossScale("unit", unit=-2.0, span=8.0), "regression", {**TWELVE, "value": "9.0"}, 750),
    ],
)  # fmt: skip
def test_classes_and_amounts_lose_on_the_same_scale(scale: LossScale, task: str, row: Any, mills: int) -> None:
    assert counted(scale, task, **row).array("loss").tolist() == [1, mills]


def test_a_loss_that_hangs_on_a_column_that_was_not_kept_is_not_known() -> None:
    payoff = {"act": {"yes": "fare", "no": -25.0}, "wait": {"yes": 0.0, "no": 0.0}}
    scale = LossScale("columns", ["no", "yes"], payoff, span=100.0)
    row = {"score": 0.1, "decision": "wait", "value": "true"}
    assert counted(scale, asks='{"fare":40}', **row).array("loss").tolist() == [1, 400]
    assert np.array_equal(counted(scale, **row).array("loss"), [0, 0])


def test_a_loss_counts_for_the_word_that_was_declared_and_for_no_other() -> None:
    words = [Word("desk", "north", 400, 0), Word("paid", "true", 300, 0), Word("desk", "south", 300, 0)]
    declared = Declared([*words, Word("paid", "None", 50, 0)])
    scale = LossScale("error", ["no", "yes"])
    past = Past(("wind", "origin"), None, None, None, scale, TREE, PAIRS, None, declared)

    def lost(asks: str) -> list[list[int]]:
        row = one(cells=b"\1\2", asks=asks, score=0.9, decision="yes", value="false")
        return count(row, replace(terms(task="binary"), past=past), NOW).array("declared")[:4].tolist()

    assert lost('{"desk":"south","paid":true}') == [[0, 0], [1, 1000], [1, 1000], [0, 0]]
    assert lost('{"desk":"east","paid":null}') == lost("{}") == [[0, 0]] * 4
