"""Which answers are unsure, said by the answer and found again in the journal."""

from typing import Any

import polars as pl
import pytest

from outlast.bundle.answers import Answer
from outlast.bundle.doubt import doubting, is_unsure
from outlast.journal.spelling import to_text
from outlast.types import Task

BASE: dict[str, Any] = {"prediction_id": "a", "key": None, "at": 0, "decide_at": 0, "asks": {}, "features": {}}
BASE |= {"decision": None, "rung": "full", "reasons": [], "warnings": [], "cells": b""}
CLASSES = ["a", 'b: 0.5,"', "c"]


def binary(score: float | None) -> Answer:
    return Answer(**BASE, score=score, scores=None)


def of_classes(*chances: float) -> Answer:
    return Answer(**BASE, score=None, scores=dict(zip(CLASSES, chances, strict=True)))


CASES: list[tuple[Task, list[Answer], list[bool]]] = [
    (
        "binary",
        [binary(score) for score in (0.44, 0.45, 0.5, 0.55, 0.56, None)],
        [False, True, True, True, False, False],
    ),
    ("regression", [binary(score) for score in (-1.0, 0.5, 7.0)], [False, True, False]),
    (
        "multiclass",
        [of_classes(0.5, 0.3, 0.2), of_classes(0.1, 0.6, 0.3), of_classes(0.3, 0.2, 0.5)],
        [True, False, True],
    ),
]


@pytest.mark.parametrize(("task", "answers", "unsure"), CASES, ids=[task for task, _, _ in CASES])
def test_the_answer_and_the_journal_agree_on_what_is_unsure(
    task: Task, answers: list[Answer], unsure: list[bool]
) -> None:
    marked = doubting([0.45, 0.55])
    assert marked is not None
    assert [one.unsure for one in marked(answers)] == unsure
    scores = [None if one.scores is None else to_text(one.scores) for one in answers]
    columns = {"score": [one.score for one in answers], "scores": scores, "rung": ["full"] * len(answers)}
    rows = pl.DataFrame(columns, schema={"score": pl.Float64, "scores": pl.String, "rung": pl.String})
    assert rows.select(found=is_unsure([0.45, 0.55], task, CLASSES))["found"].to_list() == unsure
    lower = rows.with_columns(rung=pl.lit("default"))
    assert not lower.select(found=is_unsure([0.45, 0.55], task, CLASSES))["found"].any()


def test_a_contract_without_such_scores_marks_nothing() -> None:
    assert doubting(None) is None
