"""Trains the small project with each family of models; prints the digest of each model and the bits it predicts."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from outlast.bundle.format import NATIVE
from outlast.bundle.predictor import open_bundle, open_predictor
from outlast.project.loader import load_project
from outlast.training.run import train
from outlast.types import digest_of

NOW = datetime(2024, 6, 1, tzinfo=UTC)
FAMILIES = {
    "scikit-learn": ("sklearn.ensemble", "HistGradientBoostingClassifier", "max_iter=8"),
    "lightgbm": ("lightgbm", "LGBMClassifier", "n_estimators=8, subsample=0.7, subsample_freq=1, verbose=-1"),
    "xgboost": ("xgboost", "XGBClassifier", "n_estimators=8, subsample=0.7, colsample_bytree=0.8"),
}
FIT = """def fit(x, y, seed):
    from {module} import {name}
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(numbers), {name}(random_state=seed, {settings})).fit(x, y)


model = Model("""


def write(folder: Path, family: str) -> None:
    """Another `fit` for the small project."""
    module, name, settings = FAMILIES[family]
    fit = FIT.format(module=module, name=name, settings=settings)
    text, count = re.subn(r"^def fit\(.*?^model = Model\(", fit, (folder / "model.py").read_text(), flags=re.M | re.S)
    assert count == 1
    (folder / "model.py").write_text(text)


def trained(folder: Path, family: str) -> dict[str, object]:
    """The digest of a version's model, and its answers to a hundred questions as hexadecimal floats."""
    write(folder, family)
    project = load_project(folder)
    version = train(project, by="ada", now=NOW).version
    predictor = open_predictor(project.workspace, version.digest, version.number)
    shops, row = ("north", "south", "east"), predictor.example()
    rows = [{**row, "shop": shops[n % 3], "weight": n / 10} for n in range(100)]
    scores = [one.score for one in predictor.predict(rows, at=NOW)]
    model = open_bundle(project.workspace, version.digest).files[NATIVE]
    return {"model": digest_of(model), "scores": [float(score or 0).hex() for score in scores]}


if __name__ == "__main__":
    json.dump({family: trained(Path(sys.argv[1]), family) for family in FAMILIES}, sys.stdout)
