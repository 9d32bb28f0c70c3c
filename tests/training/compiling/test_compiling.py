"""Every fitted model that has a compiled form answers through it as by itself, on real rows and on spoilt ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from lightgbm import Booster, Dataset, LGBMClassifier, LGBMRegressor
from lightgbm import train as train_booster
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from outlast.bundle.compiled import Compiled
from outlast.bundle.estimator import scores
from outlast.bundle.plan import PLAN, TREES, read_plan
from outlast.errors import FeatureError, StorageError
from outlast.training.compiling.compiling import Fitted, Outcome, compiling
from outlast.types import Task

ROWS = 900
TOLERANCE = 1e-6
WORDS, NUMBERS, WHOLE = ["carrier", "origin"], ["wind", "delay"], ["hour", "weekend"]
SEED = {"random_state": 7}
FEW = {"n_estimators": 12, "random_state": 7}
QUIET = {"n_estimators": 12, "verbose": -1, "num_threads": 1, "min_child_samples": 10, "random_state": 7}


def rows(*, nulls: bool = True) -> pl.DataFrame:
    random = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "carrier": [["UA", "B6", "Ünited", ""][i] for i in random.integers(0, 4, ROWS)],
            "wind": random.gamma(2.0, 6.0, ROWS),
            "hour": random.integers(0, 24, ROWS),
            "origin": [["JFK", "EWR", "LGA"][i] for i in random.integers(0, 3, ROWS)],
            "delay": random.normal(size=ROWS) * 40,
            "weekend": random.random(ROWS) < 0.3,
        }
    )
    if not nulls:
        return frame
    holes = {name: pl.Series(random.random(ROWS) < 0.1) for name in ("carrier", "wind", "delay", "hour")}
    return frame.with_columns(
        pl.when(hole).then(None).otherwise(pl.col(name)).alias(name) for name, hole in holes.items()
    )


def labels(frame: pl.DataFrame, classes: int = 2) -> np.ndarray:
    random = np.random.default_rng(4)
    risk = frame["delay"].fill_null(0).to_numpy() / 40 + (frame["carrier"] == "UA").fill_null(False).to_numpy()
    noisy = risk + frame["hour"].fill_null(0).to_numpy() / 24 + random.normal(size=frame.height) * 0.5
    return np.digitize(noisy, np.quantile(noisy, np.linspace(0, 1, classes + 1)[1:-1]))


def amounts(frame: pl.DataFrame) -> np.ndarray:
    return np.exp(labels(frame, 30) / 10.0)


def ordinal(**more: Any) -> Any:
    given = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan, "encoded_missing_value": np.nan, **more}
    return make_column_transformer((OrdinalEncoder(**given), WORDS), ("passthrough", [*NUMBERS, *WHOLE]))


def hot(numbers: Any = "passthrough", **more: Any) -> Any:
    encoder = OneHotEncoder(**{"handle_unknown": "ignore", "sparse_output": False, **more})
    return make_column_transformer((encoder, WORDS), (numbers, [*NUMBERS, *WHOLE]))


def filled(*scalers: Any) -> Any:
    return make_pipeline(SimpleImputer(), *scalers)


def found(estimator: Any, x: pl.DataFrame, y: np.ndarray, task: Task = "binary", *, pandas: bool = False) -> Outcome:
    given = x.to_pandas() if pandas else x
    model = estimator.fit(given, y)
    return compiled_of(model, x, task, 1 if task == "regression" else len(np.unique(y)), pandas=pandas)


def compiled_of(
    model: Any, x: pl.DataFrame, task: Task = "binary", classes: int = 2, *, pandas: bool = False
) -> Outcome:
    native = lambda frame: scores(model, frame.to_pandas() if pandas else frame, task, classes)  # noqa: E731
    return compiling(Fitted(model, native, task, classes), x, decide=decide, tolerance=TOLERANCE, seed=1)


def decide(table: np.ndarray, _: pl.DataFrame) -> list[Any]:
    return table.argmax(axis=1).tolist() if table.shape[1] > 1 else []


EXACT: dict[str, Callable[[], Any]] = {
    "histogram, ordinal": lambda: make_pipeline(ordinal(), HistGradientBoostingClassifier(max_iter=12, **SEED)),
    "histogram, one-hot": lambda: make_pipeline(hot(), HistGradientBoostingClassifier(max_iter=12, **SEED)),
    "histogram, own categories": lambda: HistGradientBoostingClassifier(
        max_iter=12, categorical_features=WORDS, **SEED
    ),
    "histogram, categories by place": lambda: make_pipeline(
        ordinal(), HistGradientBoostingClassifier(max_iter=12, categorical_features=[0, 1], **SEED)
    ),
    "histogram, target": lambda: make_pipeline(
        make_column_transformer((TargetEncoder(cv=KFold(3)), WORDS), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=12, **SEED),
    ),
    "LightGBM, ordinal": lambda: make_pipeline(ordinal(), LGBMClassifier(**QUIET)),
    "LightGBM, one-hot and scaled": lambda: make_pipeline(hot(filled(StandardScaler())), LGBMClassifier(**QUIET)),
}
NEAR: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(hot(filled(StandardScaler())), LogisticRegression()),
    "logistic, between": lambda: make_pipeline(hot(filled(MinMaxScaler())), LogisticRegression()),
    "logistic, robust": lambda: make_pipeline(hot(filled(RobustScaler())), LogisticRegression()),
    "logistic, after": lambda: make_pipeline(hot(filled()), MaxAbsScaler(), LogisticRegression()),
    "stochastic": lambda: make_pipeline(hot(filled(StandardScaler())), SGDClassifier(loss="log_loss", **SEED)),
    "forest": lambda: make_pipeline(hot(filled()), RandomForestClassifier(**FEW)),
    "extra trees": lambda: make_pipeline(hot(filled()), ExtraTreesClassifier(**FEW)),
    "one tree": lambda: make_pipeline(hot(filled()), DecisionTreeClassifier(max_depth=5, **SEED)),
    "XGBoost": lambda: make_pipeline(ordinal(), XGBClassifier(n_estimators=12, max_depth=4, **SEED)),
}
VALUES: dict[str, Callable[[], Any]] = {
    "histogram": lambda: make_pipeline(ordinal(), HistGradientBoostingRegressor(max_iter=12, **SEED)),
    "histogram, counts": lambda: make_pipeline(
        ordinal(), HistGradientBoostingRegressor(max_iter=12, loss="poisson", **SEED)
    ),
    "LightGBM": lambda: make_pipeline(ordinal(), LGBMRegressor(**QUIET)),
    "LightGBM, gamma": lambda: make_pipeline(ordinal(), LGBMRegressor(objective="gamma", **QUIET)),
    "linear": lambda: make_pipeline(hot(filled()), LinearRegression()),
    "ridge": lambda: make_pipeline(hot(filled(StandardScaler())), Ridge()),
    "counts": lambda: make_pipeline(hot(filled(StandardScaler())), PoissonRegressor()),
    "forest": lambda: make_pipeline(hot(filled()), RandomForestRegressor(**FEW)),
    "one tree": lambda: make_pipeline(hot(filled()), DecisionTreeRegressor(max_depth=5, **SEED)),
    "XGBoost": lambda: make_pipeline(ordinal(), XGBRegressor(n_estimators=12, max_depth=4, **SEED)),
}


@pytest.mark.parametrize("name", EXACT)
def test_trees_answer_to_the_last_bit(name: str) -> None:
    x = rows()
    outcome = found(EXACT[name](), x, labels(x))
    assert outcome.proof is not None, outcome.says
    assert outcome.proof.equal == outcome.proof.rows == ROWS
    assert outcome.says == "answers as the fitted model does, to the last bit, on 900 rows"


@pytest.mark.parametrize("name", NEAR)
def test_what_the_library_adds_in_another_order_is_within_the_tolerance(name: str) -> None:
    x = rows()
    outcome = found(NEAR[name](), x, labels(x))
    assert outcome.proof is not None, outcome.says
    assert outcome.proof.difference < TOLERANCE


@pytest.mark.parametrize("name", VALUES)
def test_values_are_compiled_too(name: str) -> None:
    x = rows()
    outcome = found(VALUES[name](), x, amounts(x), "regression")
    assert outcome.proof is not None, outcome.says


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=6, **SEED),
        LGBMClassifier(**QUIET),
        XGBClassifier(n_estimators=6, max_depth=3, **SEED),
        RandomForestClassifier(**FEW),
        LogisticRegression(),
    ],
)
def test_several_classes(model: Any) -> None:
    x = rows()
    outcome = found(make_pipeline(hot(filled(StandardScaler())), model), x, labels(x, 4), "multiclass")
    assert outcome.proof is not None, outcome.says


def test_a_model_that_reads_pandas() -> None:
    x = rows()
    outcome = found(EXACT["histogram, ordinal"](), x, labels(x), pandas=True)
    assert outcome.proof is not None, outcome.says


def test_columns_chosen_by_a_selector_and_dropped_ones() -> None:
    x = rows()
    words = OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False)
    encode = make_column_transformer(
        (words, make_column_selector(pattern="igin")), ("drop", ["hour", "carrier"]), remainder="passthrough"
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=12, **SEED))
    outcome = found(model, x, labels(x), pandas=True)
    assert outcome.proof is not None, outcome.says
    assert outcome.proof.equal == outcome.proof.rows


def test_categories_of_lightgbm() -> None:
    x = rows()
    y = labels(x)
    model = make_pipeline(ordinal(unknown_value=99), LGBMClassifier(**QUIET))
    model.fit(x, y, lgbmclassifier__categorical_feature=[0, 1])
    outcome = compiled_of(model, x)
    assert outcome.proof is not None, outcome.says
    assert outcome.proof.equal == outcome.proof.rows


class Trained(BaseEstimator):  # type: ignore[misc]
    """A LightGBM booster as people use it without scikit-learn."""

    def fit(self, x: pl.DataFrame, y: np.ndarray) -> Booster:
        matrix = x.select(*NUMBERS, "hour").cast(pl.Float64).to_numpy()
        quiet = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 7}
        return train_booster(quiet, Dataset(matrix, y), num_boost_round=8)


def test_a_bare_booster_over_numbers() -> None:
    x = rows().select(*NUMBERS, "hour").cast(pl.Float64)
    model = Trained().fit(x, labels(rows()))
    native = lambda frame: scores(model, frame.to_numpy(), "binary", 2)  # noqa: E731
    outcome = compiling(Fitted(model, native, "binary", 2), x, decide=decide, tolerance=TOLERANCE, seed=1)
    assert outcome.proof is not None, outcome.says
    assert outcome.proof.equal == outcome.proof.rows


def test_the_files_alone_answer() -> None:
    x = rows()
    outcome = found(EXACT["LightGBM, ordinal"](), x, labels(x))
    plan = read_plan(outcome.files[PLAN])
    again = Compiled(plan, outcome.files[TREES], x.columns)
    model = EXACT["LightGBM, ordinal"]().fit(x, labels(x))
    assert again.table(x).tolist() == model.predict_proba(x).tolist()
    assert [again.row(row) for row in x.rows()] == again.table(x).tolist()


def test_equal_models_have_equal_files() -> None:
    x = rows()
    first, second = (found(EXACT["histogram, one-hot"](), x, labels(x)) for _ in range(2))
    assert first.files == second.files


class Wrapped(BaseEstimator):  # type: ignore[misc]
    """What a project may write itself: nobody else can know what it does."""

    def fit(self, x: pl.DataFrame, y: np.ndarray) -> "Wrapped":
        self.inner_ = EXACT["LightGBM, ordinal"]().fit(x, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, x: pl.DataFrame) -> np.ndarray:
        return self.inner_.predict_proba(x)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a class of the project": (Wrapped, "Wrapped has no compiled form"),
    "a calibrated model": (
        lambda: CalibratedClassifierCV(EXACT["histogram, one-hot"](), cv=2),
        "CalibratedClassifierCV has no compiled form",
    ),
    "a function": (
        lambda: make_pipeline(hot(FunctionTransformer(np.cbrt)), HistGradientBoostingClassifier(max_iter=3, **SEED)),
        "the function cbrt of a FunctionTransformer is not data",
    ),
    "bins of quantiles": (
        lambda: make_pipeline(hot(filled(QuantileTransformer(n_quantiles=20))), LogisticRegression()),
        "the step QuantileTransformer has no compiled form",
    ),
    "rare categories joined": (
        lambda: make_pipeline(hot(min_frequency=0.4), HistGradientBoostingClassifier(max_iter=3, **SEED)),
        "a OneHotEncoder that joins rare categories has no compiled form",
    ),
    "an imputer that marks": (
        lambda: make_pipeline(
            hot(SimpleImputer(add_indicator=True)), HistGradientBoostingClassifier(max_iter=3, **SEED)
        ),
        "a SimpleImputer that marks what it filled",
    ),
    "zero as missing": (
        lambda: make_pipeline(ordinal(), LGBMClassifier(**QUIET, zero_as_missing=True)),
        "LightGBM's zero_as_missing has no compiled form",
    ),
    "trees of lines": (
        lambda: make_pipeline(ordinal(), LGBMClassifier(**QUIET, linear_tree=True)),
        "LightGBM's linear trees have no compiled form",
    ),
    "weights of trees dropped": (
        lambda: make_pipeline(ordinal(), XGBClassifier(n_estimators=4, booster="dart", **SEED)),
        "XGBoost's dart for 'binary:logistic' has no compiled form",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_left_to_the_fitted_model(name: str) -> None:
    make, why = REFUSED[name]
    x = rows()
    outcome = found(make(), x, labels(x))
    assert outcome.files == {}
    assert outcome.says.startswith("the fitted model serves: ")
    assert why in outcome.says
    assert outcome.summary() == {"compiled": False, "says": outcome.says}


def test_a_form_that_decides_otherwise_is_not_taken() -> None:
    x = rows()
    y = labels(x)
    model = EXACT["LightGBM, ordinal"]().fit(x, y)
    other = EXACT["LightGBM, ordinal"]().fit(x, 1 - y)
    native = lambda frame: scores(other, frame, "binary", 2)  # noqa: E731
    outcome = compiling(Fitted(model, native, "binary", 2), x, decide=decide, tolerance=2.0, seed=1)
    assert "its decision differs where the chances are" in outcome.says
    outcome = compiling(Fitted(model, native, "binary", 2), x, decide=decide, tolerance=TOLERANCE, seed=1)
    assert "its answers differ by up to" in outcome.says


def test_a_form_that_answers_where_the_model_refuses_is_not_taken() -> None:
    x = rows(nulls=False)
    y = labels(x)
    model = EXACT["LightGBM, ordinal"]().fit(x, y)

    def native(frame: pl.DataFrame) -> Any:
        if frame["wind"].null_count():
            raise ValueError("no wind")
        return scores(model, frame, "binary", 2)

    outcome = compiling(Fitted(model, native, "binary", 2), x, decide=decide, tolerance=TOLERANCE, seed=1)
    assert "that the fitted model refuses and the compiled one does not" in outcome.says


def test_an_encoder_that_refuses_the_unknown_still_does() -> None:
    x = rows(nulls=False)
    outcome = found(
        EXACT["histogram, one-hot"]().set_params(columntransformer__onehotencoder__handle_unknown="error"), x, labels(x)
    )
    assert outcome.proof is not None, outcome.says
    compiled = Compiled(read_plan(outcome.files[PLAN]), outcome.files[TREES], x.columns)
    row = list(x.row(0))
    assert compiled.row(row) == compiled.table(x.head(1))[0].tolist()
    row[0] = "nobody"
    with pytest.raises(FeatureError, match="refuse a category that it never saw"):
        compiled.row(row)


def test_a_damaged_plan_is_told() -> None:
    with pytest.raises(StorageError, match=r"The compiled model of a bundle cannot be read \(.+\): train it again"):
        read_plan(b'{"columns": 7}')
