"""Which answers are unsure: those whose score lies where the contract says so."""

from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.answers import Answer
from outlast.types import Task

Doubt = Callable[[list[Answer]], list[Answer]]


def doubting(unsure: list[float] | None) -> Doubt | None:
    """A function that marks unsure answers; None where the contract names no such scores."""
    if unsure is None:
        return None
    low, high = unsure

    def marked(answers: list[Answer]) -> list[Answer]:
        return [msgspec.structs.replace(one, unsure=True) if low <= _sure(one) <= high else one for one in answers]

    return marked


def is_unsure(unsure: list[float], task: Task, classes: list[str]) -> pl.Expr:
    """The same of journalled predictions; of a lower rung than a model's nothing is unsure."""
    score = pl.col("score")
    if task == "multiclass":
        chances = pl.col("scores").str.json_decode(pl.Struct(dict.fromkeys(classes, pl.Float64)))
        score = pl.max_horizontal(chances.struct.field(name) for name in classes)
    low, high = unsure
    return score.is_between(low, high).fill_null(False) & pl.col("rung").is_in(["full", "simpler"])


def _sure(one: Answer) -> float:
    """The score that is looked at; of several classes the greatest."""
    found: Any = one.score if one.scores is None else max(one.scores.values())
    return float("nan") if found is None else float(found)
