"""Fitted models of the libraries we know, as trees or weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from outlast.bundle.plan import Column, Forest, Weights
from outlast.training.compiling.columns import Columns, as_number, single, transformed
from outlast.training.compiling.refusal import NotCompiled
from outlast.training.compiling.trees import Leaf, Split, Tree, constants

Link = Literal["identity", "logistic", "softmax", "exp", "shares"]
HISTOGRAM_LINKS: dict[str, Link] = {
    "HalfBinomialLoss": "logistic", "HalfMultinomialLoss": "softmax", "HalfSquaredError": "identity",
    "AbsoluteError": "identity", "PinballLoss": "identity", "HalfPoissonLoss": "exp", "HalfGammaLoss": "exp",
}  # fmt: skip
LIGHTGBM_LINKS: dict[str, Link] = {
    "binary": "logistic", "multiclass": "softmax", "regression": "identity", "regression_l1": "identity",
    "huber": "identity", "quantile": "identity", "poisson": "exp", "gamma": "exp", "tweedie": "exp",
}  # fmt: skip
XGBOOST_LINKS: dict[str, Link] = {
    "binary:logistic": "logistic", "multi:softprob": "softmax", "reg:squarederror": "identity",
    "reg:absoluteerror": "identity", "count:poisson": "exp", "reg:gamma": "exp", "reg:tweedie": "exp",
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A fitted model taken apart: its matrix, its trees or weights, and how sums become scores."""

    columns: tuple[Column, ...]
    model: Forest | Weights
    trees: tuple[Tree, ...]
    link: Link
    factor: float = 1.0
    count: int = 1


def family_of(estimator: Any, columns: Columns) -> Family:
    """A fitted estimator, or a pipeline that ends in one."""
    kind, module = type(estimator).__name__, type(estimator).__module__.partition(".")[0]
    if kind == "Pipeline" and module == "sklearn":
        for _, step in estimator.steps[:-1]:
            columns = transformed(step, columns)
        return family_of(estimator.steps[-1][1], columns)
    take = _FAMILIES.get((module, kind))
    if take is None:
        raise NotCompiled(f"{kind} has no compiled form")
    encodes = module in ("sklearn", "outlast")  # theirs say of each column what becomes of it
    return take(estimator, columns if encodes else [as_number(column) for column in columns])


def _histogram(model: Any, columns: Columns) -> Family:
    link = HISTOGRAM_LINKS.get(type(model._loss).__name__)
    if link is None:
        raise NotCompiled(f"the loss {type(model._loss).__name__} has no compiled form")
    columns = [as_number(column) for column in transformed(model._preprocessor, columns)]
    outputs = model.n_trees_per_iteration_
    trees = constants([float(value) for value in np.ravel(model._baseline_prediction)])
    for iteration in model._predictors:
        trees += [_histogram_tree(one, output) for output, one in enumerate(iteration)]
    return Family(tuple(columns), Forest(outputs), tuple(trees), link)


def _histogram_tree(predictor: Any, output: int) -> Tree:
    return Tree([_histogram_node(node, predictor.raw_left_cat_bitsets) for node in predictor.nodes], output)


def _histogram_node(node: Any, bitsets: Any) -> Split | Leaf:
    if node["is_leaf"]:
        return Leaf(float(node["value"]))
    ends = int(node["left"]), int(node["right"]), bool(node["missing_go_to_left"])
    if node["is_categorical"]:
        bits = np.unpackbits(bitsets[node["bitset_idx"]].view(np.uint8), bitorder="little")
        members = tuple(float(one) for one in np.flatnonzero(bits))
        return Split(int(node["feature_idx"]), 0.0, *ends, rule="in", members=members)
    return Split(int(node["feature_idx"]), float(node["num_threshold"]), *ends)


def _lightgbm(model: Any, columns: Columns) -> Family:
    booster = getattr(model, "booster_", model)
    dump = booster.dump_model()
    name, *options = dump["objective"].split()
    said = dict(option.split(":") for option in options if ":" in option)
    if name not in LIGHTGBM_LINKS or "sqrt" in options:
        raise NotCompiled(f"LightGBM's objective '{dump['objective']}' has no compiled form")
    if dump["average_output"] or dump.get("pandas_categorical"):
        raise NotCompiled("LightGBM's random forests, and its own reading of pandas categories, have no compiled form")
    outputs = dump["num_tree_per_iteration"]
    trees = [_lightgbm_tree(one["tree_structure"], one["tree_index"] % outputs) for one in dump["tree_info"]]
    factor = float(said.get("sigmoid", 1.0))
    return Family(tuple(columns), Forest(outputs), tuple(trees), LIGHTGBM_LINKS[name], factor)


def _lightgbm_tree(root: dict[str, Any], output: int) -> Tree:
    nodes: list[Split | Leaf] = []

    def add(node: dict[str, Any]) -> int:
        place = len(nodes)
        nodes.append(Leaf(float(node.get("leaf_value", 0.0))))
        if "split_feature" in node:
            left, right = add(node["left_child"]), add(node["right_child"])
            nodes[place] = _lightgbm_split(node, left, right)
        elif "leaf_const" in node:
            raise NotCompiled("LightGBM's linear trees have no compiled form")
        return place

    add(root)
    return Tree(nodes, output)


def _lightgbm_split(node: dict[str, Any], left: int, right: int) -> Split:
    feature, threshold = int(node["split_feature"]), node["threshold"]
    if node["decision_type"] == "==":
        members = tuple(float(one) for one in str(threshold).split("||"))
        return Split(feature, 0.0, left, right, missing_left=False, rule="in", members=members)
    if node["missing_type"] == "Zero":
        raise NotCompiled("LightGBM's zero_as_missing has no compiled form")
    known = node["missing_type"] == "NaN"  # else what is missing counts as zero
    missing_left = bool(node["default_left"]) if known else threshold >= 0.0
    return Split(feature, float(threshold), left, right, missing_left=missing_left)


def _xgboost(model: Any, columns: Columns) -> Family:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    best = getattr(model, "best_iteration", None) if hasattr(model, "evals_result_") else None
    if best is not None:
        booster = booster[: best + 1]
    learner = json.loads(booster.save_raw("json"))["learner"]
    link, boosted = XGBOOST_LINKS.get(learner["objective"]["name"]), learner["gradient_booster"]
    if link is None or boosted["name"] != "gbtree":
        raise NotCompiled(f"XGBoost's {boosted['name']} for '{learner['objective']['name']}' has no compiled form")
    outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    trees = constants(_xgboost_start(learner["learner_model_param"]["base_score"], link, outputs))
    for tree, output in zip(boosted["model"]["trees"], boosted["model"]["tree_info"], strict=True):
        trees.append(_xgboost_tree(tree, int(output)))
    return Family(tuple(columns), Forest(outputs, single=True), tuple(trees), link)


def _xgboost_start(kept: str, link: Link, outputs: int) -> list[float]:
    """What its sums start from: kept as a probability or a value, one or one for each output."""
    values = [float(one) for one in kept.strip("[]").split(",")]
    starts = values if len(values) == outputs else values * outputs
    if link == "logistic":
        return [-float(np.log(np.float32(1.0) / np.float32(one) - np.float32(1.0))) for one in starts]
    return [float(np.log(one)) for one in starts] if link == "exp" else starts


def _xgboost_tree(tree: dict[str, Any], output: int) -> Tree:
    if any(tree.get("split_type", [])) or int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise NotCompiled("XGBoost's splits of categories and trees of several values have no compiled form")
    nodes: list[Split | Leaf] = []
    for number, left in enumerate(tree["left_children"]):
        value = float(tree["split_conditions"][number])
        if left == -1:
            nodes.append(Leaf(value))
            continue
        feature, right = int(tree["split_indices"][number]), int(tree["right_children"][number])
        nodes.append(Split(feature, value, left, right, bool(tree["default_left"][number]), rule="<"))
    return Tree(nodes, output)


def _forest(model: Any, columns: Columns) -> Family:
    return _plain_trees([one.tree_ for one in model.estimators_], model, columns)


def _tree(model: Any, columns: Columns) -> Family:
    return _plain_trees([model.tree_], model, columns)


def _plain_trees(trees: list[Any], model: Any, columns: Columns) -> Family:
    """Means over trees; of two classes only the chance of the second is summed."""
    if model.n_outputs_ != 1:
        raise NotCompiled("trees of several targets have no compiled form")
    classes = len(model.classes_) if hasattr(model, "classes_") else 1
    outputs = 1 if classes <= 2 else classes
    wanted = [classes - 1] if outputs == 1 else list(range(classes))
    grown = [_plain_tree(tree, column, place) for tree in trees for place, column in enumerate(wanted)]
    link: Link = "shares" if hasattr(model, "classes_") else "identity"
    return Family(tuple(single(columns)), Forest(outputs), tuple(grown), link, count=len(trees))


def _plain_tree(tree: Any, column: int, output: int, scale: float = 1.0) -> Tree:
    nodes: list[Split | Leaf] = []
    for number in range(tree.node_count):
        left, right = int(tree.children_left[number]), int(tree.children_right[number])
        if left == right:
            nodes.append(Leaf(scale * float(tree.value[number][0][column])))
            continue
        missing = bool(tree.missing_go_to_left[number])
        nodes.append(Split(int(tree.feature[number]), float(tree.threshold[number]), left, right, missing))
    return Tree(nodes, output)


def _linear(model: Any, columns: Columns) -> Family:
    coefficients = np.atleast_2d(model.coef_)
    intercepts = np.broadcast_to(np.ravel(model.intercept_), len(coefficients))
    weights = Weights(tuple(tuple(map(float, row)) for row in coefficients), tuple(map(float, intercepts)))
    link = _linear_link(model, len(coefficients))
    return Family(tuple(as_number(column) for column in columns), weights, (), link)


def _linear_link(model: Any, outputs: int) -> Link:
    kind = type(model).__name__
    if kind in ("PoissonRegressor", "GammaRegressor"):
        return "exp"
    if not hasattr(model, "classes_"):
        return "identity"
    if kind == "SGDClassifier" and (model.loss != "log_loss" or outputs > 1):
        raise NotCompiled("an SGDClassifier of several classes, or without log_loss, has no compiled form")
    return "logistic" if outputs == 1 else "softmax"


def _distilled(model: Any, columns: Columns) -> Family:
    """One regression for each output, all of them trees over the same columns."""
    parts = [family_of(part, columns) for part in model.parts]
    if any(one.columns != parts[0].columns or not isinstance(one.model, Forest) for one in parts):
        raise NotCompiled("its regressions read different columns")
    trees = [replace(tree, output=place) for place, one in enumerate(parts) for tree in one.trees]
    link: Link = "logistic" if len(parts) == 1 else "softmax"
    return Family(parts[0].columns, Forest(len(parts)), tuple(trees), link)


def _foreign(model: Any, columns: Columns) -> Family:
    """A model adopted from elsewhere: itself, over the columns it names."""
    named = {column.name: column for column in columns}
    return family_of(model.estimator, [named[name] for name in model.names])


_LINEAR = (
    "LogisticRegression", "LogisticRegressionCV", "SGDClassifier", "LinearRegression", "Ridge", "RidgeCV", "Lasso",
    "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge", "HuberRegressor", "SGDRegressor", "PoissonRegressor",
    "GammaRegressor",
)  # fmt: skip
_FAMILIES: dict[tuple[str, str], Callable[[Any, Columns], Family]] = {
    ("sklearn", "HistGradientBoostingClassifier"): _histogram,
    ("sklearn", "HistGradientBoostingRegressor"): _histogram,
    ("outlast", "Distilled"): _distilled,
    ("outlast", "Foreign"): _foreign,
    ("outlast", "ForeignChances"): _foreign,
    ("lightgbm", "LGBMClassifier"): _lightgbm,
    ("lightgbm", "LGBMRegressor"): _lightgbm,
    ("lightgbm", "Booster"): _lightgbm,
    ("xgboost", "XGBClassifier"): _xgboost,
    ("xgboost", "XGBRegressor"): _xgboost,
    ("xgboost", "Booster"): _xgboost,
    **{("sklearn", name): _forest for name in ("RandomForestClassifier", "RandomForestRegressor",
                                               "ExtraTreesClassifier", "ExtraTreesRegressor")},
    **{("sklearn", name): _tree for name in ("DecisionTreeClassifier", "DecisionTreeRegressor")},
    **{("sklearn", name): _linear for name in _LINEAR},
}  # fmt: skip
