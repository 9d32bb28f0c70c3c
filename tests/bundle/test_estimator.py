"""Every family of models gives one table: a column per class in order, or a column of values."""

from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier

from outlast.bundle.estimator import given_as, scores
from outlast.errors import TrainingError

RNG = np.random.default_rng(3)
X = pl.DataFrame({"a": RNG.normal(size=400), "b": RNG.integers(0, 5, 400)})
TIDE = X["a"].to_numpy() + X["b"].to_numpy() / 5
TWO = (TIDE + RNG.normal(size=400) / 3 > 0.4).astype(np.int64)
THREE = np.digitize(TIDE + RNG.normal(size=400) / 3, [0, 0.8])
QUIET = {"verbose": -1, "num_threads": 1, "seed": 1}
LIGHT = {"n_estimators": 8, "verbose": -1, "n_jobs": 1}
EXTREME = {"n_estimators": 8, "n_jobs": 1}


def booster(objective: str, y: Any, **more: Any) -> Any:
    return lightgbm.train({"objective": objective, **QUIET, **more}, lightgbm.Dataset(X.to_arrow(), y), 8)


def matrix(objective: str, y: Any, **more: Any) -> Any:
    return xgboost.train({"objective": objective, "nthread": 1, **more}, xgboost.DMatrix(X, y), 8)


BINARY = {
    "sklearn": lambda: LogisticRegression().fit(X, TWO),
    "sklearn trees": lambda: HistGradientBoostingClassifier(max_iter=8).fit(X, TWO),
    "LightGBM": lambda: lightgbm.LGBMClassifier(**LIGHT).fit(X, TWO),
    "LightGBM's Booster": lambda: booster("binary", TWO),
    "XGBoost": lambda: xgboost.XGBClassifier(**EXTREME).fit(X, TWO),
    "XGBoost's Booster": lambda: matrix("binary:logistic", TWO),
}
MULTICLASS = {
    "sklearn": lambda: RandomForestClassifier(8, random_state=0).fit(X, THREE),
    "LightGBM": lambda: lightgbm.LGBMClassifier(**LIGHT).fit(X, THREE),
    "LightGBM's Booster": lambda: booster("multiclass", THREE, num_class=3),
    "XGBoost": lambda: xgboost.XGBClassifier(**EXTREME).fit(X, THREE),
    "XGBoost's Booster": lambda: matrix("multi:softprob", THREE, num_class=3),
}
CERTAIN = {
    "sklearn without probabilities": lambda: RidgeClassifier().fit(X, THREE),
    "XGBoost's Booster of class numbers": lambda: matrix("multi:softmax", THREE, num_class=3),
}
REGRESSION = {
    "sklearn": lambda: LinearRegression().fit(X, TIDE),
    "LightGBM": lambda: lightgbm.LGBMRegressor(**LIGHT).fit(X, TIDE),
    "LightGBM's Booster": lambda: booster("regression", TIDE),
    "XGBoost": lambda: xgboost.XGBRegressor(**EXTREME).fit(X, TIDE),
    "XGBoost's Booster": lambda: matrix("reg:squarederror", TIDE),
}


@pytest.mark.parametrize("make", BINARY.values(), ids=BINARY)
def test_two_classes(make: Any) -> None:
    table = scores(make(), X, "binary", 2)
    assert table.shape == (400, 2)
    assert np.allclose(table.sum(axis=1), 1)
    assert ((table[:, 1] > 0.5) == TWO).mean() > 0.8


@pytest.mark.parametrize("make", [*MULTICLASS.values(), *CERTAIN.values()], ids=[*MULTICLASS, *CERTAIN])
def test_several_classes(make: Any) -> None:
    table = scores(make(), X, "multiclass", 3)
    assert table.shape == (400, 3)
    assert np.allclose(table.sum(axis=1), 1)
    assert (table.argmax(axis=1) == THREE).mean() > 0.6


@pytest.mark.parametrize("make", CERTAIN.values(), ids=CERTAIN)
def test_a_model_that_only_names_classes_is_certain_of_them(make: Any) -> None:
    assert set(scores(make(), X, "multiclass", 3).ravel()) == {0.0, 1.0}


@pytest.mark.parametrize("make", REGRESSION.values(), ids=REGRESSION)
def test_amounts(make: Any) -> None:
    table = scores(make(), X, "regression", 0)
    assert (table.shape, table.dtype) == ((400, 1), np.float64)
    assert np.corrcoef(table[:, 0], TIDE)[0, 1] > 0.9


@pytest.mark.parametrize("make", [*BINARY.values()], ids=BINARY)
def test_one_row_alone_gets_what_it_gets_among_others(make: Any) -> None:
    model = make()
    assert np.allclose(scores(model, X[7:8], "binary", 2), scores(model, X, "binary", 2)[7:8], rtol=1e-12, atol=0)


class Said:
    """A plain class with only predict: it says what it was told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = answers

    def predict(self, x: Any) -> Any:
        return list(self.answers)[: len(x)]


class Chances:
    """A plain class with probabilities and perhaps the classes they are of."""

    def __init__(self, table: Any, classes: Any = None) -> None:
        self.table = table
        if classes is not None:
            self.classes_ = classes

    def predict_proba(self, x: Any) -> Any:
        return self.table


TWO_ROWS = X[:2]


@pytest.mark.parametrize(
    ("model", "classes", "expected"),
    [
        (Said(0.25, 0.75), 2, [[0.75, 0.25], [0.25, 0.75]]),
        (Said(0, 1), 2, [[1, 0], [0, 1]]),
        (Said(True, False), 2, [[0, 1], [1, 0]]),
        (Said(2, 0), 3, [[0, 0, 1], [1, 0, 0]]),
        (Said([0.25, 0.75], [1, 0]), 2, [[0.25, 0.75], [1, 0]]),
        (Said([0.25], [1.0]), 2, [[0.75, 0.25], [0, 1]]),
        (Chances([0.25, 1]), 2, [[0.75, 0.25], [0, 1]]),
        (Chances([[0.25, 0.75], [1, 0]], [0, 2]), 3, [[0.25, 0, 0.75], [1, 0, 0]]),
        (Chances([[1], [1]], [1]), 2, [[0, 1], [0, 1]]),
        (Chances([[0.25, 0.75], [1, 0]], [1, 0]), 2, [[0.75, 0.25], [0, 1]]),
        (Chances([[0.25, 0.75], [1, 0]], [False, True]), 2, [[0.25, 0.75], [1, 0]]),
    ],
)
def test_a_plain_class_and_classes_that_training_missed(model: Any, classes: int, expected: Any) -> None:
    task = "binary" if classes == 2 else "multiclass"
    assert scores(model, TWO_ROWS, task, classes).tolist() == expected


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Said("yes", "no"), "neither probabilities nor class numbers"),
        (Said(0, 5), "neither probabilities nor class numbers"),
        (Said(-1, 0), "neither probabilities nor class numbers"),
        (Said(0.5, 1.5), "neither probabilities nor class numbers"),
        (Said(0.5), "gave 1 answers for 2 rows"),
        (Chances([[0.5, float("nan")], [1, 0]]), "gave nan for a row"),
        (
            Chances([[0.5, 0.5, 0], [1, 0, 0]]),
            "has 3 columns and its classes_ are not said: expected codes from 0 to 1",
        ),
        (Chances([[0.5, 0.5], [1, 0]], ["a", "b"]), "classes_ are ['a', 'b']: expected codes from 0 to 1"),
        (Chances([["a", "b"], ["c", "d"]]), "no numbers"),
    ],
)
def test_what_are_no_scores_is_said_in_a_sentence(model: Any, says: str) -> None:
    with pytest.raises(TrainingError) as caught:
        scores(model, TWO_ROWS, "binary", 2)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [(Said(1.0, float("inf")), "gave inf"), (Said([1, 2], [3, 4]), "2 values a row"), (Said("a", "b"), "no numbers")],
)
def test_what_is_no_amount_is_said_in_a_sentence(model: Any, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        scores(model, TWO_ROWS, "regression", 0)


def test_a_model_is_given_the_frame_that_fit_was_annotated_with() -> None:
    assert isinstance(given_as(X, pandas=False), pl.DataFrame)
    assert given_as(X, pandas=True).columns.tolist() == ["a", "b"]
