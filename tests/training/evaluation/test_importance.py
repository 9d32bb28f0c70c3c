"""What a model leans on, by shuffling; the same each time, within bounded work."""

import numpy as np
import polars as pl
import pytest

from outlast.training.evaluation.importance import importance


def made(rows: int) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    strong, weak = rng.normal(0, 1, rows), rng.normal(0, 1, rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-2 * strong - 0.5 * weak))).astype(np.int64)
    return pl.DataFrame({"weak": weak, "unused": rng.normal(0, 1, rows), "strong": strong}), y


def score(x: pl.DataFrame) -> np.ndarray:
    odds = 2 * x["strong"].to_numpy() + 0.5 * x["weak"].to_numpy()
    chance = 1 / (1 + np.exp(-odds))
    return np.column_stack([1 - chance, chance])


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
def test_what_the_model_leans_on_comes_first_and_what_it_ignores_is_nothing(metric: str) -> None:
    x, y = made(3000)
    found = importance(score, x, y, task="binary", metric=metric, seed=0)
    assert [one["feature"] for one in found["features"]] == ["strong", "weak", "unused"]
    strong, weak, unused = (one["loss"] for one in found["features"])
    assert strong["low"] > weak["high"] > weak["low"] > 0
    assert unused == {"value": 0, "low": 0, "high": 0}
    assert found == importance(score, x, y, task="binary", metric=metric, seed=0)


@pytest.mark.parametrize("rows", [40, 5000, 200_000])
def test_the_work_is_bounded(rows: int) -> None:
    asked = []

    def counted(x: pl.DataFrame) -> np.ndarray:
        asked.append(x.height)
        return score(x)

    x, y = made(rows)
    found = importance(counted, x, y, task="binary", metric="roc_auc", seed=0)
    assert sum(asked) <= 120_000
    assert len(asked) == 4
    assert found["rows"] <= rows


def test_rows_of_one_class_are_worth_no_area() -> None:
    x, _ = made(50)
    found = importance(score, x, np.ones(50, dtype=np.int64), task="binary", metric="roc_auc", seed=0)
    assert [one["loss"] for one in found["features"]] == [None, None, None]
