"""Opening a foreign model. This executes what its file says: only for somebody who said that they trust it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from outlast.errors import TrainingError
from outlast.training.adopting.origins import Origin

FLAVORS = ("sklearn", "lightgbm", "xgboost", "catboost")
"""Of MLflow's, those that give the fitted estimator itself, which may have chances to give."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A fitted estimator, the names of its columns where it knows them, and what was odd about opening it."""

    estimator: Any
    kind: str
    names: tuple[str, ...] | None
    width: int | None
    notes: tuple[str, ...]


def opened(origin: Origin) -> Opened:
    """The estimator in a file or a folder of MLflow; TrainingError says in a sentence why there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = _loaded(origin, _of_mlflow if origin.mlflow else _of_file)
    if not callable(getattr(estimator, "predict", None)):
        raise TrainingError(
            f"'{origin.said}' holds a {type(estimator).__name__}, which is no fitted model: "
            "expected an object with predict(), such as a fitted scikit-learn estimator or pipeline"
        )
    names = _names(estimator)
    notes = [
        f"{type(estimator).__name__} was written by another release of its library: {one}" for one in _aged(caught)
    ]
    width = getattr(estimator, "n_features_in_", None)
    return Opened(estimator, _kind(estimator), names, None if width is None else int(width), tuple(notes))


def _loaded(origin: Origin, load: Callable[[Origin], Any]) -> Any:
    try:
        return load(origin)
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"'{origin.said}' needs the module '{error.name}', which is not here: install the library it belongs to, "
            "in the release that the model was trained with, and adopt it again"
        ) from error
    except AttributeError as error:  # a class that its module does not have: that of a notebook, or of another release
        raise TrainingError(
            f"'{origin.said}' is made of a class that is not here ({error}): a class written in a notebook does not "
            "travel in a pickle, so put it into an installed module, and write the model again"
        ) from error
    except TrainingError:
        raise
    except Exception as error:  # unpickling executes what the file says, and may raise anything
        said = str(error).strip().split("\n")[0][:200]
        raise TrainingError(
            f"'{origin.said}' cannot be opened as a model ({type(error).__name__}: {said}): "
            "expected what joblib.dump or pickle.dump wrote"
        ) from error


def _of_file(origin: Origin) -> Any:
    import joblib

    return joblib.load(origin.path)


def _of_mlflow(origin: Origin) -> Any:
    import importlib

    import mlflow.pyfunc
    from mlflow.models import Model

    about = Model.load(str(origin.path))
    flavor = next((name for name in FLAVORS if name in about.flavors), None)
    if flavor is not None:
        return importlib.import_module(f"mlflow.{flavor}").load_model(str(origin.path))
    if about.flavors.get("python_function", {}).get("artifacts"):
        raise TrainingError(
            f"'{origin.said}' reads files that lie beside it in MLflow, which a version cannot carry: "
            "log the estimator itself, for example with mlflow.sklearn.log_model"
        )
    return mlflow.pyfunc.load_model(str(origin.path))


def _names(estimator: Any) -> tuple[str, ...] | None:
    """The columns it was trained on, where it says so: not the numbers that libraries make up instead."""
    schema = getattr(getattr(estimator, "metadata", None), "get_input_schema", lambda: None)()
    for found in (
        getattr(estimator, "feature_names_in_", None),
        getattr(estimator, "feature_names", None),
        estimator.feature_name() if callable(getattr(estimator, "feature_name", None)) else None,
        None if schema is None or not schema.has_input_names() else schema.input_names(),
    ):
        if found is not None:
            names = tuple(str(one) for one in found)
            made_up = all(one == f"Column_{place}" for place, one in enumerate(names))
            return None if made_up else names
    return None


def _aged(caught: list[warnings.WarningMessage]) -> list[str]:
    """What a library says of a pickle by another of its releases; said once."""
    odd = [one.message for one in caught if type(one.message).__name__ == "InconsistentVersionWarning"]
    said = [f"{one.original_sklearn_version}, and here is {one.current_sklearn_version}" for one in odd]  # type: ignore[union-attr]
    return list(dict.fromkeys(said))


def _kind(estimator: Any) -> str:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    inside = "" if last is estimator else f" that ends in {type(last).__name__}"
    return f"{type(estimator).__name__} of {type(estimator).__module__.partition('.')[0]}{inside}"
