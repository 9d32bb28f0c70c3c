"""What is said of an answer: by rung and outcome, held against what was answered, or why there is nothing."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from outlast.bundle.explaining.explains import Explains
from outlast.bundle.explaining.reference import REFERENCE, Reference
from outlast.bundle.format import Bundle
from outlast.bundle.plan import PLAN, TREES, written
from outlast.bundle.scoring import SIMPLER
from outlast.errors import RequestError, StorageError, Unexplained
from outlast.training.compiling.compiling import Fitted, planned
from outlast.types import Explanation, Task

CLASSES = ["coarse", "fine", "middling"]
CONTRACT = {"model": {"problem": "?", "owner": "a@example.com", "task": "binary"}}
RANDOM = np.random.default_rng(5)
X = pl.DataFrame(
    {
        "wood": [["oak", "ash", "fir"][n] for n in RANDOM.integers(0, 3, 300)],
        "width": RANDOM.uniform(5, 30, 300),
        "knots": RANDOM.integers(0, 9, 300),
    }
)
FEW = {"n_estimators": 8, "random_state": 1}


def grades(classes: int) -> Any:
    return np.minimum(X["knots"].to_numpy() * classes // 9, classes - 1)


def encoded(model: Any) -> Any:
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((words, ["wood"]), ("passthrough", ["width", "knots"])), model)


MODELS: dict[str, tuple[Any, Task, int]] = {
    "lightgbm": (LGBMClassifier(**FEW, verbose=-1, num_threads=1), "binary", 2),
    "xgboost": (XGBClassifier(**FEW, n_jobs=1), "multiclass", 3),
    "histogram": (HistGradientBoostingClassifier(max_iter=5, random_state=1), "multiclass", 3),
    "forest": (RandomForestClassifier(**FEW, max_depth=5), "binary", 2),
    "forest of classes": (RandomForestClassifier(**FEW, max_depth=5), "multiclass", 3),
    "logistic": (LogisticRegression(max_iter=2000), "multiclass", 3),
    "ridge": (Ridge(), "regression", 1),
    "poisson": (PoissonRegressor(), "regression", 1),
}


def bundle(files: dict[str, bytes], task: Task = "binary", classes: Sequence[str] = (), **more: Any) -> Bundle:
    manifest = {"task": task, "classes": list(classes), "features": X.columns, **more}
    whole = {"contract.json": msgspec.json.encode(CONTRACT), "summary.json": b"{}", **files}
    return Bundle("d" * 64, manifest, whole)


def files_of(name: str) -> tuple[dict[str, bytes], list[list[float]]]:
    """The files of a fitted model, and the scores that it gives the rows itself."""
    model, task, classes = MODELS[name]
    with threadpool_limits(1):
        y = X["knots"].to_numpy() * 2.0 + 1.0 if task == "regression" else grades(classes)
        fitted = encoded(model).fit(X.to_pandas(), y)
        found = fitted.predict(X.to_pandas()) if task == "regression" else fitted.predict_proba(X.to_pandas())
    plan, trees = planned(Fitted(fitted, lambda _: None, task, classes), X.columns)
    reference = msgspec.json.encode(Reference(X.columns, [list(row) for row in X.head(30).rows()]))
    files = {PLAN: written(plan), REFERENCE: reference}
    return files if trees is None else {**files, TREES: trees}, np.asarray(found).reshape(X.height, -1).tolist()


def explained(name: str, place: int, of: str | None = None) -> tuple[Explanation, list[float]]:
    files, scores = files_of(name)
    task, row = MODELS[name][1], scores[place]
    several = dict(zip(CLASSES, row, strict=True)) if task == "multiclass" else None
    explains = Explains(lambda: bundle(files, task, CLASSES if several else ["no", "yes"]))
    one = None if several else row[-1]
    return explains.again(X.row(place, named=True), "full", one, several, of=of), row


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("place", [40, 41])
def test_the_parts_lead_to_the_score_that_the_fitted_model_gives(name: str, place: int) -> None:
    found, scores = explained(name, place)
    added = math.fsum(one.by for one in found.contributions)
    assert found.base + added == pytest.approx(found.margin, abs=1e-9)
    assert {one.field: one.value for one in found.contributions} == X.row(place, named=True)
    assert found.reference_rows == 30
    score = scores[-1] if MODELS[name][1] != "multiclass" else max(scores)
    assert found.score == score
    made = {
        "value": lambda: found.margin,
        "probability": lambda: found.margin,
        "logarithm of the value": lambda: math.exp(found.margin),
        "log-odds": lambda: 1 / (1 + math.exp(-found.margin)),
        "log-odds against the geometric mean of all classes": lambda: math.exp(
            found.margin + np.mean(np.log(scores))
        ),  # the logarithm of its chance, less the mean of all
    }
    assert made[found.unit]() == pytest.approx(score, abs=1e-5)


def test_each_class_can_be_asked_about_and_their_margins_cancel_out() -> None:
    found = {name: explained("histogram", 40, of=name)[0] for name in CLASSES}
    assert [one.of for one in found.values()] == CLASSES
    assert sum(one.margin for one in found.values()) == pytest.approx(0.0, abs=1e-9)
    likeliest = max(found.values(), key=lambda one: one.score)
    assert explained("histogram", 40)[0] == likeliest


def test_chances_are_taken_apart_on_either_side() -> None:
    yes, no = explained("forest", 40, of="yes")[0], explained("forest", 40, of="no")[0]
    assert no.base + yes.base == pytest.approx(1.0)
    assert no.margin == pytest.approx(1.0 - yes.margin)
    assert no.contributions[0].by == pytest.approx(-yes.contributions[0].by)


def test_an_outcome_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="There is no outcome 'rough'"):
        explained("histogram", 40, of="rough")
    with pytest.raises(RequestError, match="A regression has one score"):
        explained("ridge", 40, of="high")


ROW = X.row(40, named=True)


def unexplained(
    explains: Explains, values: dict[str, Any] | None = None, rung: str = "full", score: float = 0.5
) -> str:
    with pytest.raises(Unexplained) as found:
        explains.again(ROW if values is None else values, rung, score, None)
    return str(found.value)


def test_parts_that_do_not_lead_to_what_was_answered_are_not_told() -> None:
    files, scores = files_of("forest")
    explains = Explains(lambda: bundle(files))
    assert explains.again(ROW, "full", scores[40][1], None).score == scores[40][1]
    assert "they would lead to" in unexplained(explains, score=scores[40][1] + 1e-4)
    assert "what 'knots' was is not kept" in unexplained(explains, {"wood": "oak", "width": 3.0})
    assert "cannot be computed of these values" in unexplained(explains, {**ROW, "width": "broad"})


@pytest.mark.parametrize(
    ("files", "rung", "says"),
    [
        ({}, "full", "only models that are compiled are explained, and of this one the fitted model serves: a net"),
        ({}, "simpler", "of this one the fitted model serves: two nets"),
        ({PLAN: b"?"}, "full", "cannot be read"),
        ({PLAN: files_of("ridge")[0][PLAN]}, "full", "trained before there were explanations: train it again"),
        ({**files_of("forest")[0], TREES: b"?"}, "full", "cannot be read"),
        (files_of("forest")[0], "default", "the answer is the contract's default"),
        (files_of("forest")[0], "refused", "there was no answer"),
    ],
)
def test_why_there_are_no_parts_is_one_sentence(files: dict[str, bytes], rung: str, says: str) -> None:
    told = {"compiled": {"says": "the fitted model serves: a net"}}
    summary = {**told, "simpler": {"compiled": {"says": "the fitted model serves: two nets"}}}
    whole = {"summary.json": msgspec.json.encode(summary), **files}
    explains = Explains(lambda: bundle(whole, simpler={"features": ["width"]}))
    assert says in unexplained(explains, rung=rung)


def test_the_simpler_model_is_explained_by_its_own_trees() -> None:
    files, scores = files_of("forest")
    moved = {SIMPLER.plan: files[PLAN], SIMPLER.trees: files[TREES], REFERENCE: files[REFERENCE]}
    explains = Explains(lambda: bundle(moved, simpler={"features": X.columns}))
    assert explains.again(ROW, "simpler", scores[40][1], None).score == scores[40][1]


def test_a_bundle_that_cannot_be_read_now_is_read_when_it_can() -> None:
    files, scores = files_of("forest")
    tries = iter([StorageError("the disk is gone"), bundle(files)])

    def opened() -> Bundle:
        found = next(tries)
        if isinstance(found, StorageError):
            raise found
        return found

    explains = Explains(opened)
    with pytest.raises(StorageError):
        explains.again(ROW, "full", scores[40][1], None)
    assert explains.again(ROW, "full", scores[40][1], None).of == "yes"
