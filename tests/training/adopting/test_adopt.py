"""A model from elsewhere becomes a version: from a file or MLflow, evaluated and proven, its missing evidence said."""

import pickle
import shutil
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from outlast.bundle.predictor import open_bundle, open_predictor
from outlast.bundle.replay import replay
from outlast.cli.telling import card, report
from outlast.cli.telling_why import told
from outlast.errors import NotFound, OutlastError, Refused, SettingsError, TrainingError
from outlast.evidence.told import Costs
from outlast.evidence.why import why_version
from outlast.project.loader import load_project
from outlast.registry.mlflow_side import connect
from outlast.registry.versions import Version
from outlast.training.adopt import adopt
from outlast.training.reproduce.again import reproduce
from outlast.training.trying import training_rows
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NAMES = ["late_1d", "weight", "hour"]


def adopted(folder: Path, place: object, **more: Any) -> Version:
    return adopt(load_project(folder), str(place), trust=True, by="ada", now=NOW, **more).version


@pytest.fixture(scope="module")
def elsewhere(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Any]:
    """What somebody trained on elsewhere: the same columns in pandas, in another order, and their labels."""
    folder = tmp_path_factory.mktemp("elsewhere") / "orders"
    shutil.copytree(orders_template, folder)
    rows = training_rows(folder)
    return rows.select(*NAMES, "shop").to_pandas(), rows["label"].to_numpy()


def boosted(elsewhere: tuple[pd.DataFrame, Any], names: list[str] = NAMES, **more: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = elsewhere
    return HistGradientBoostingClassifier(max_iter=5, random_state=0, **more).fit(x[names], y)


@pytest.fixture(scope="module")
def made(
    orders_template: Path, elsewhere: tuple[pd.DataFrame, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Version, Any]:
    """A folder whose ladder has a simpler model, the version adopted there from a file, and the model in that file."""
    folder = tmp_path_factory.mktemp("made") / "orders"
    shutil.copytree(orders_template, folder)
    contract = (folder / "outlast.toml").read_text()
    (folder / "outlast.toml").write_text(contract.replace('["full", "default"', '["full", "simpler", "default"'))
    model = boosted(elsewhere)
    joblib.dump(model, folder / "late.joblib")
    return folder, adopted(folder, folder / "late.joblib"), model


def test_a_joblib_file_becomes_a_version_with_what_is_not_known_of_it(made: tuple[Path, Version, Any]) -> None:
    folder, version, model = made
    found = version.summary["adopted"]
    assert version.lineage["adopted"] == found
    assert (found["from"], found["kind"]) == ("late.joblib", "HistGradientBoostingClassifier of sklearn")
    assert list(found["absent"]) == ["training data", "code", "parameters and seed", "environment", "reproduction"]
    assert found["unused"] == ["shop", "coupon", "ordered_at", "late_3d", "last_late"]
    assert version.summary["compiled"]["compiled"], version.summary["compiled"]["says"]
    assert version.summary["metrics"]["roc_auc"]["value"] > 0.5
    predictor = open_predictor(load_project(folder).workspace, version.digest, 1)
    assert replay(predictor).passed
    golden = predictor.golden[-1]
    asked = pd.DataFrame([[golden["features"][name] for name in NAMES]], columns=NAMES)
    assert golden["scores"][1] == pytest.approx(model.predict_proba(asked)[0, 1])


def test_nothing_says_that_it_was_trained_here(
    made: tuple[Path, Version, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, version, _ = made
    report(version)
    assert capsys.readouterr().out.startswith(f"{version} adopted, tested on ")
    card(version, "", None, Costs(None, None, None, "EUR"))
    told(why_version(load_project(folder).workspace, ModelRef(version.model, version.number)))
    said = capsys.readouterr().out
    assert "rows to train" not in said
    assert "what it was trained on is not known" in " ".join(said.split())
    assert [line for line in said.splitlines() if "trained 2" in line or line.startswith("  trained")] == []
    assert said.count("last_late") == 1, "it is named once, as not taken"


def test_the_same_file_gives_the_same_bytes(made: tuple[Path, Version, Any]) -> None:
    folder, version, _ = made
    again = adopted(folder, folder / "late.joblib")
    assert (again.digest, again.number) == (version.digest, 1)


def test_it_cannot_be_made_again_and_that_is_said(made: tuple[Path, Version, Any]) -> None:
    folder, version, _ = made
    done = reproduce(load_project(folder).workspace, version)
    assert (done.equal, done.cause) == (None, "adopted")
    assert "late-orders@1 was adopted from late.joblib" in done.sentence


def test_the_projects_fit_has_no_part_in_the_simpler_model_beside_it(made: tuple[Path, Version, Any]) -> None:
    found = made[1].summary["simpler"]
    assert set(found["judged"]["figures"]) == {"house", "distilled"}


def test_words_for_classes_and_columns_by_place(orders: Path, elsewhere: tuple[pd.DataFrame, Any]) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = elsewhere
    words = np.where(y, "yes", "no")
    joblib.dump(HistGradientBoostingClassifier(max_iter=5).fit(x[NAMES], words), orders / "words.joblib")
    version = adopted(orders, orders / "words.joblib")
    assert version.summary["metrics"]["roc_auc"]["value"] > 0.5
    text = (orders / "model.py").read_text()
    begin, end = text.index("    asks=orders["), text.index("    label=")
    few = 'asks=orders["weight", "coupon"],\n    features=[],\n'.replace(', "coupon"', "")
    (orders / "model.py").write_text(text[:begin] + "    " + few + text[end:])
    joblib.dump(HistGradientBoostingClassifier(max_iter=5).fit(x[["weight"]].to_numpy(), y), orders / "plain.joblib")
    plain = adopted(orders, orders / "plain.joblib").summary["adopted"]
    assert plain["notes"] == ["it names no columns: it was given the features in the order of the project"]
    two = HistGradientBoostingClassifier(max_iter=5).fit(x[["weight", "hour"]].to_numpy(), y)
    joblib.dump(two, orders / "two.joblib")
    with pytest.raises(TrainingError, match=r"takes 2 columns, which it does not name, .* are 1 \(weight"):
        adopted(orders, orders / "two.joblib")


def test_other_columns_are_named(orders: Path, elsewhere: tuple[pd.DataFrame, Any]) -> None:
    x, y = elsewhere
    renamed = x.rename(columns={"hour": "hours"}), y
    joblib.dump(boosted(renamed, ["late_1d", "hours"]), orders / "late.joblib")
    with pytest.raises(
        TrainingError, match=r"'late.joblib' was trained on 'hours', which .* \(did you mean 'hour'\?\)"
    ):
        adopted(orders, orders / "late.joblib")


def test_other_classes_are_named(orders: Path, elsewhere: tuple[pd.DataFrame, Any]) -> None:
    x, y = elsewhere
    joblib.dump(boosted((x, np.where(y, "late", "early"))), orders / "late.joblib")
    with pytest.raises(TrainingError, match="tells early, late apart, and the label of this model is no, yes"):
        adopted(orders, orders / "late.joblib")


def missing_library(folder: Path) -> Path:
    """A pickle made by a process that had a module which this one has not."""
    code = "import joblib, faraway; joblib.dump(faraway.Model(), 'far.joblib')"
    (folder / "faraway.py").write_text("class Model:\n    def predict(self, x): return x\n")
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    (folder / "faraway.py").unlink()
    return folder / "far.joblib"


def no_model(folder: Path) -> Path:
    joblib.dump({"a": 1}, folder / "dict.joblib")
    return folder / "dict.joblib"


def no_pickle(folder: Path) -> Path:
    (folder / "text.joblib").write_text("this is no pickle at all")
    return folder / "text.joblib"


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (missing_library, TrainingError, "'far.joblib' needs the module 'faraway', which is not here"),
        (no_model, TrainingError, "'dict.joblib' holds a dict, which is no fitted model"),
        (no_pickle, TrainingError, "'text.joblib' cannot be opened as a model"),
        (lambda folder: folder / "nowhere.joblib", NotFound, "nowhere.joblib' does not exist: give a file"),
        (
            lambda folder: no_model(folder).with_suffix(".jobli"),
            NotFound,
            r"jobli' does not exist: did you mean '.*lib'\?",
        ),
        (lambda folder: folder, NotFound, "is a folder: give a file"),
    ],
)
def test_what_cannot_be_adopted_is_told_in_a_sentence(
    orders: Path, make: Any, kind: type[OutlastError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        adopted(orders, make(orders))


class Tells:
    """What a pickle can do."""

    def __reduce__(self) -> Any:
        return Path.write_text, (Path("executed"), "yes")


def test_nothing_of_a_file_is_executed_without_trust(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(orders)
    (orders / "bad.pkl").write_bytes(pickle.dumps(Tells()))
    with pytest.raises(Refused, match=r"executes whatever its file says.*--trust"):
        adopt(load_project(orders), "bad.pkl", trust=False, by="ada", now=NOW)
    assert not (orders / "executed").exists()


def logged(model: Any, address: str, folder: Path) -> None:
    """Put a model into MLflow as `late`, version 1, by plain MLflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, and what it says of its libraries
        connect(address)
        import mlflow

        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(address)
        experiment = mlflow.create_experiment("theirs", artifact_location=folder.as_uri())
        how = {"pip_requirements": ["scikit-learn"], "serialization_format": "cloudpickle"}
        with mlflow.start_run(experiment_id=experiment):
            mlflow.sklearn.log_model(model, name="model", registered_model_name="late", **how)


def test_a_model_of_mlflow_is_adopted_with_its_chances_and_one_that_is_not_there_is_told(
    orders: Path, elsewhere: tuple[pd.DataFrame, Any], empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{shutil.copyfile(empty_mlflow, orders / 'tracking.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    logged(boosted(elsewhere), address, orders / "runs")
    project = load_project(orders)
    version = adopt(project, "models:/late/1", trust=True, by="ada", now=NOW).version
    assert version.summary["adopted"]["from"] == "models:/late/1"
    assert len(version.summary["adopted"]["digest"]) == 64
    assert version.summary["metrics"]["roc_auc"]["value"] > 0.5
    assert "mlflow" not in open_bundle(project.workspace, version.digest).files["golden.json"].decode()
    with pytest.raises(NotFound, match="'models:/late/7' cannot be read from the MLflow at sqlite"):
        adopt(project, "models:/late/7", trust=True, by="ada", now=NOW)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(NotFound, match=r"cannot be read from the MLflow at http://127\.0\.0\.1:9"):
        adopt(load_project(orders), "models:/late/1", trust=True, by="ada", now=NOW)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    with pytest.raises(SettingsError, match="MLflow is off, so 'models:/late/1' cannot be read"):
        adopt(load_project(orders), "models:/late/1", trust=True, by="ada", now=NOW)
