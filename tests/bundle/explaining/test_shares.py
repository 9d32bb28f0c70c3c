"""Contributions are Shapley values: held against all mixtures of a row and the reference, asked of the fitted model."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier, XGBRegressor

from outlast.bundle.compiled import encoder
from outlast.bundle.explaining import shares as module
from outlast.bundle.explaining.shares import Sharing, sharing
from outlast.bundle.explaining.trees import trees_of
from outlast.bundle.plan import Column, Forest, Number, Plan, Weights
from outlast.errors import Unexplained
from outlast.training.compiling.compiling import Fitted, planned
from outlast.training.compiling.trees import Leaf, Split, Tree, onnx_of
from outlast.types import Task

SEED = {"random_state": 7}
ROWS, REFERENCE, ASKED = 500, 12, 5
WORDS, NUMBERS = ["carrier", "origin"], ["wind", "delay", "hour"]
FEW = {"n_estimators": 12, "random_state": 7}
QUIET = {**FEW, "verbose": -1, "num_threads": 1, "min_child_samples": 10}


def rows() -> pl.DataFrame:
    random = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "carrier": [["UA", "B6", "Ünited", ""][i] for i in random.integers(0, 4, ROWS)],
            "wind": random.gamma(2.0, 6.0, ROWS),
            "hour": random.integers(0, 24, ROWS),
            "origin": [["JFK", "EWR", "LGA"][i] for i in random.integers(0, 3, ROWS)],
            "delay": random.normal(size=ROWS) * 40,
        }
    )
    holes = {name: pl.Series(random.random(ROWS) < 0.15) for name in ("carrier", "wind", "delay")}
    return frame.with_columns(
        pl.when(hole).then(None).otherwise(pl.col(name)).alias(name) for name, hole in holes.items()
    )


X = rows()


def labels(classes: int = 2) -> Any:
    random = np.random.default_rng(4)
    risk = X["delay"].fill_null(0).to_numpy() / 40 + (X["carrier"] == "UA").fill_null(False).to_numpy()
    noisy = risk * (1 + X["hour"].to_numpy() / 12) + random.normal(size=ROWS) * 0.3
    return np.digitize(noisy, np.quantile(noisy, np.linspace(0, 1, classes + 1)[1:-1]))


def amounts() -> Any:
    return np.exp(labels(30) / 10.0)


def ordinal() -> Any:
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan, "encoded_missing_value": np.nan}
    return make_column_transformer((OrdinalEncoder(**unknown), WORDS), ("passthrough", NUMBERS))


def hot(numbers: Any = "passthrough") -> Any:
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), WORDS), (numbers, NUMBERS)
    )


def filled() -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler())


def logit(found: Any) -> Any:
    return np.log(found[:, 1:] / found[:, :1])


def chance(found: Any) -> Any:
    return found[:, 1:]


def itself(found: Any) -> Any:
    return found.reshape(len(found), -1)


def log(found: Any) -> Any:
    return np.log(itself(found))


def logs(found: Any) -> Any:
    """Of several classes: what is left of the sums when all are moved alike."""
    centred = np.log(found)
    return centred - centred.mean(axis=1, keepdims=True)


Case = tuple[Callable[[], Any], Task, int, Callable[[Any], Any]]
CASES: dict[str, Case] = {
    "logistic regression": (lambda: make_pipeline(hot(filled()), LogisticRegression(max_iter=500)), "binary", 2, logit),
    "logistic regression, classes": (
        lambda: make_pipeline(hot(filled()), LogisticRegression(max_iter=500)), "multiclass", 3, logs,
    ),
    "ridge": (lambda: make_pipeline(hot(filled()), Ridge()), "regression", 1, itself),
    "poisson": (lambda: make_pipeline(hot(filled()), PoissonRegressor()), "regression", 1, log),
    "histogram": (
        lambda: make_pipeline(ordinal(), HistGradientBoostingClassifier(max_iter=9, **SEED)), "binary", 2, logit,
    ),
    "histogram, one-hot": (
        lambda: make_pipeline(hot(), HistGradientBoostingClassifier(max_iter=9, **SEED)), "binary", 2, logit,
    ),
    "histogram, own categories": (
        lambda: HistGradientBoostingClassifier(max_iter=12, categorical_features=WORDS, random_state=7),
        "binary", 2, logit,
    ),
    "histogram, classes": (
        lambda: make_pipeline(ordinal(), HistGradientBoostingClassifier(max_iter=6, **SEED)),
        "multiclass", 3, logs,
    ),
    "histogram, amounts": (
        lambda: make_pipeline(ordinal(), HistGradientBoostingRegressor(max_iter=9, **SEED)),
        "regression", 1, itself,
    ),
    "lightgbm": (lambda: make_pipeline(ordinal(), LGBMClassifier(**QUIET)), "binary", 2, logit),
    "lightgbm, categories": (
        lambda: make_pipeline(ordinal(), LGBMClassifier(**QUIET)), "binary", 2, logit,
    ),
    "lightgbm, amounts": (lambda: make_pipeline(hot(), LGBMRegressor(**QUIET)), "regression", 1, itself),
    "xgboost": (lambda: make_pipeline(ordinal(), XGBClassifier(**FEW, n_jobs=1)), "binary", 2, logit),
    "xgboost, amounts": (lambda: make_pipeline(hot(), XGBRegressor(**FEW, n_jobs=1)), "regression", 1, itself),
    "forest": (
        lambda: make_pipeline(ordinal(), RandomForestClassifier(**FEW, max_depth=6)), "binary", 2, chance,
    ),
    "forest, classes": (
        lambda: make_pipeline(ordinal(), RandomForestClassifier(**FEW, max_depth=5)), "multiclass", 3, itself,
    ),
    "forest, amounts": (
        lambda: make_pipeline(
            make_column_transformer((TargetEncoder(cv=KFold(3)), WORDS), ("passthrough", NUMBERS)),
            RandomForestRegressor(**FEW, max_depth=6),
        ),
        "regression", 1, itself,
    ),
    "tree": (
        lambda: make_pipeline(ordinal(), DecisionTreeClassifier(max_depth=7, random_state=1)), "binary", 2, chance,
    ),
}  # fmt: skip


def shapley(worth: dict[frozenset[int], Any], players: int) -> list[Any]:
    """By the definition: the mean of what a player adds to those before, over all orders."""
    found = []
    for player in range(players):
        others = [one for one in range(players) if one != player]
        found.append(
            sum(
                factorial(size) * factorial(players - size - 1) / factorial(players)
                * (worth[frozenset((*some, player))] - worth[frozenset(some)])
                for size in range(players)
                for some in combinations(others, size)
            )
        )  # fmt: skip
    return found


def mixtures(row: pl.DataFrame, reference: pl.DataFrame) -> dict[frozenset[int], pl.DataFrame]:
    """The reference with each set of features taken from the row instead."""
    names, found = row.columns, {}
    for size in range(len(names) + 1):
        for some in combinations(range(len(names)), size):
            kept = [names[place] for place in some]
            found[frozenset(some)] = reference.with_columns(
                pl.lit(row[name][0], dtype=row.schema[name]).alias(name) for name in kept
            )
    return found


def brute(asked: pl.DataFrame, reference: pl.DataFrame, ask: Callable[[pl.DataFrame], Any]) -> list[Any]:
    """The Shapley values of some rows' features, from the fitted model's answers to every mixture of rows."""
    mixed = [mixtures(asked[place], reference) for place in range(asked.height)]
    answers = ask(pl.concat([frame for one in mixed for frame in one.values()]))
    means = iter(answers.reshape(-1, reference.height, answers.shape[1]).mean(axis=1))
    return [np.array(shapley({some: next(means) for some in one}, asked.width)).T for one in mixed]


def margins(model: Any, task: Task, link: Callable[[Any], Any]) -> Callable[[pl.DataFrame], Any]:
    def ask(frame: pl.DataFrame) -> Any:
        given = frame.to_pandas()
        found = model.predict(given) if task == "regression" else model.predict_proba(given)
        return link(np.asarray(found, dtype=np.float64))

    return ask


def ready(plan: Plan, trees: bytes | None, names: Sequence[str], reference: pl.DataFrame) -> Sharing:
    players = np.array([names.index(column.name) for column in plan.columns])
    lines = np.array([encoder(plan.columns, names)(row) for row in reference.rows()])
    return sharing(plan, None if trees is None else trees_of(trees), players, lines)


@pytest.mark.parametrize("name", CASES)
def test_contributions_are_the_shapley_values_of_the_fitted_model(name: str) -> None:
    make, task, classes, link = CASES[name]
    y = amounts() if task == "regression" else labels(classes)
    known = {"lgbmclassifier__categorical_feature": [0, 1]} if name == "lightgbm, categories" else {}
    with threadpool_limits(1):
        model = make().fit(X.to_pandas(), y, **known)
    plan, trees = planned(Fitted(model, lambda _: None, task, classes), X.columns)
    reference, asked, encode = X.head(REFERENCE), X[100 : 100 + ASKED], encoder(plan.columns, X.columns)
    explain, ask = ready(plan, trees, X.columns, reference), margins(model, task, link)
    near = 2e-5 if isinstance(plan.model, Forest) and plan.model.single else 1e-9
    scale, answered = plan.factor / plan.count, ask(asked)
    with threadpool_limits(1):
        found = brute(asked, reference, ask)
    for place, expected in enumerate(found):
        shares = explain.of(encode(asked.row(place)))
        base, by = shares.base * scale, shares.by * scale
        if task == "multiclass" and plan.link == "softmax":
            base, by = base - base.mean(), by - by.mean(axis=0)
        assert by == pytest.approx(expected, abs=near)
        assert base == pytest.approx(ask(reference).mean(axis=0), abs=near)
        assert base + by.sum(axis=1) == pytest.approx(answered[place], abs=near)


def forest(*trees: Tree, columns: int, single: bool = False) -> tuple[Plan, bytes]:
    plan = Plan(tuple(Column(f"c{n}", (Number(),)) for n in range(columns)), Forest(1, single), "identity")
    return plan, onnx_of(trees, width=columns, outputs=1, single=single)


def grown(*trees: Tree, columns: int, reference: list[list[float]], players: list[int] | None = None) -> Sharing:
    plan, data = forest(*trees, columns=columns)
    return sharing(plan, trees_of(data), np.array(players or range(columns)), np.array(reference))


def test_a_feature_no_tree_asks_adds_nothing_and_equal_ones_add_alike() -> None:
    both = Tree([Split(0, 0.5, 1, 2, False), Leaf(0.0), Split(1, 0.5, 3, 4, False), Leaf(0.0), Leaf(8.0)])
    shares = grown(both, columns=3, reference=[[0.0, 0.0, 0.0]]).of([1.0, 1.0, 1.0])
    assert (shares.base.tolist(), shares.by.tolist()) == ([0.0], [[4.0, 4.0, 0.0]])


def test_columns_of_one_feature_are_one_player() -> None:
    both = Tree([Split(0, 0.5, 1, 2, False), Leaf(0.0), Split(1, 0.5, 3, 4, False), Leaf(1.0), Leaf(8.0)])
    shares = grown(both, columns=3, reference=[[0.0, 1.0, 0.0]], players=[0, 0, 1]).of([1.0, 0.0, 1.0])
    assert (shares.base.tolist(), shares.by.tolist()) == ([0.0], [[1.0, 0.0]])


def test_what_is_missing_goes_where_training_sent_it() -> None:
    left = Tree([Split(0, 0.5, 1, 2, True), Leaf(3.0), Leaf(5.0)])
    member = Tree([Split(1, 0.0, 1, 2, False, "in", (1.0, 4.0)), Leaf(10.0), Leaf(20.0)])
    explain = grown(left, member, columns=2, reference=[[9.0, 4.0]])
    nan = float("nan")
    assert explain.of([nan, nan]).by.tolist() == [[-2.0, 10.0]]
    assert explain.of([0.5, 1.0]).by.tolist() == [[-2.0, 0.0]]
    assert explain.of([9.0, 2.0]).sums.tolist() == [25.0]


def test_a_tree_of_one_leaf_moves_the_base_only() -> None:
    explain = grown(Tree([Leaf(7.0)]), columns=2, reference=[[0.0, 0.0], [1.0, 1.0]])
    assert (explain.of([5.0, 5.0]).base.tolist(), explain.of([5.0, 5.0]).by.tolist()) == ([7.0], [[0.0, 0.0]])


def test_large_trees_are_held_against_fewer_rows_and_too_large_ones_against_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = Tree([Split(0, 0.5, 1, 2, False), Leaf(0.0), Leaf(1.0)])
    reference = [[float(n % 2)] for n in range(40)]
    monkeypatch.setattr(module, "PAIRS", 60)
    assert grown(split, columns=1, reference=reference).rows == 30
    assert grown(*[split] * 10, columns=1, reference=reference).rows == module.FEWEST
    monkeypatch.setattr(module, "LEAVES", 19)
    with pytest.raises(Unexplained, match="20 leaves"):
        grown(*[split] * 10, columns=1, reference=reference)


def chain(length: int) -> Tree:
    """A path that asks each of so many features."""
    nodes: list[Split | Leaf] = []
    for place in range(length):
        nodes += [Split(place, 0.5, 2 * place + 1, 2 * place + 2, False), Leaf(0.0)]
    return Tree([*nodes, Leaf(float(length))])


def test_a_path_over_as_many_features_as_a_mask_has_bits_is_shared_out_and_a_longer_one_is_not() -> None:
    shares = grown(chain(64), columns=65, reference=[[0.0] * 65]).of([1.0] * 65)
    assert shares.by[0] == pytest.approx([1.0] * 64 + [0.0])
    with pytest.raises(Unexplained, match="65 features"):
        grown(chain(65), columns=65, reference=[[0.0] * 65])


def test_weights_add_their_distance_from_the_reference() -> None:
    plan = Plan((), Weights(((2.0, -1.0),), (0.5,)), "identity")
    shares = sharing(plan, None, np.array([0, 1]), np.array([[1.0, 0.0], [3.0, 4.0]])).of([5.0, 3.0])
    assert (shares.base.tolist(), shares.by.tolist()) == ([2.5], [[6.0, -1.0]])
