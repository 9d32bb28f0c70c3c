"""Measures whether two trainings of the same code, data and seed predict the same bits, for three families of models.

Each training is a process of its own in a folder of its own, with another seed for Python's hashes.
"""

import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from _flights import MODEL, Flights, flights
from _outlast import ENVIRONMENT, OUTLAST
from _report import conclude, spread, table, where

from outlast.bundle.format import NATIVE
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.serving.handle import open_model
from outlast.types import digest_of

FITS = {
    "scikit-learn": """
    from sklearn.ensemble import HistGradientBoostingClassifier
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=seed)
""",
    "lightgbm": """
    from lightgbm import LGBMClassifier
    trees = LGBMClassifier(n_estimators=60, subsample=0.7, subsample_freq=1, colsample_bytree=0.8,
        random_state=seed, deterministic=True, force_row_wise=True, verbose=-1)
""",
    "xgboost": """
    from xgboost import XGBClassifier
    trees = XGBClassifier(n_estimators=60, subsample=0.7, colsample_bytree=0.8, random_state=seed)
""",
}
FIT = """def fit(x, y, seed):
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
{trees}
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan)
    words, unused = ["origin", "dest", "carrier"], ["tailnum", "scheduled_at"]
    encode = make_column_transformer((codes, words), ("drop", unused), remainder="passthrough")
    return make_pipeline(encode, trees).fit(x, y)


model = Model("""
COPIES = 2


def write_fit(folder: Path, trees: str) -> None:
    """Give the example another `fit`; everything else stays."""
    text = (folder / "model.py").read_text("utf-8")
    found, count = re.subn(r"^def fit\(.*?^model = Model\(", FIT.format(trees=trees), text, flags=re.M | re.S)
    if count != 1:
        raise SystemExit(f"{folder / 'model.py'} has no `def fit` before `model = Model(`: say here how to replace it")
    (folder / "model.py").write_text(found, "utf-8")


def train(folder: Path, number: int) -> float:
    """Train and promote, in a process each; the seconds that training took."""
    begin = time.monotonic()
    outlast(folder, number, "train", "--quiet")
    taken = time.monotonic() - begin
    outlast(folder, number, "promote", MODEL, "--quiet")
    return taken


def outlast(folder: Path, number: int, *command: str) -> None:
    """Run a command with a hash seed of its own; its complaint ends the benchmark."""
    environment = {**ENVIRONMENT, "PYTHONHASHSEED": str(number)}
    done = subprocess.run([OUTLAST, *command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"outlast {' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")


def bits(folder: Path) -> tuple[str, bytes, int]:
    """The digest of the model as it is kept, and its predictions as bytes."""
    handle = open_model(f"{MODEL}@live", folder)
    scores = [one.score or 0.0 for one in handle.answers(Flights(folder).questions())]
    model = open_bundle(Workspace.find(folder), handle.digest).files[NATIVE]
    return digest_of(model), struct.pack(f"<{len(scores)}d", *scores), len(set(scores))


def repeat(project: Flights, family: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a family's trainings agree, and their line of the table."""
    found, seconds = [], []
    for number in range(COPIES):
        folder = project.folder.parent / f"{family}-{number}"
        shutil.copytree(project.folder, folder)
        write_fit(folder, FITS[family].strip("\n"))
        seconds.append(train(folder, number + 1))
        found.append(bits(folder))
    digests, predictions, distinct = zip(*found, strict=True)
    same = len(set(predictions)) == 1 and min(distinct) > 100
    words = ["the same" if len(set(one)) == 1 else "different" for one in (predictions, digests)]
    line = (family, f"{len(predictions[0]) // 8:,}", *words, spread(seconds, "{:.0f}"))
    return same, line


def main() -> int:
    with flights() as project:
        results = [repeat(project, family) for family in FITS]
    head = ("family", "predictions", "their bits", "the models' bytes", "seconds to train")
    return conclude(
        "repeat",
        found=table(head, [line for _, line in results]),
        bar="two trainings of the same code, data and seed predict the same bits.",
        held=all(same for same, _ in results),
        machine=where("scikit-learn", "lightgbm", "xgboost-cpu", "numpy", "polars"),
    )


if __name__ == "__main__":
    sys.exit(main())
