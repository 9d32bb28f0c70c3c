"""What mlflow.pyfunc loads answers as the Predictor does, without a server; what it cannot answer it says."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outlast.bundle.predictor import open_predictor
from outlast.bundle.pyfunc import _load_pyfunc
from outlast.errors import NotFound, RequestError, StorageError
from outlast.project.loader import load_project
from outlast.registry.mirror import mirror
from outlast.registry.mlmodel import DATA, write_model
from outlast.registry.versions import find
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
PLAIN = ('[history, latest(deliveries, last_late="late", by="shop", max_age="2d"), calendar]', "[calendar]")


class Trained:
    """A version of the small project, and the folder that MLflow would hand to the loader."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder, self.project = folder, load_project(folder)
        self.workspace = self.project.workspace
        if not place.exists():
            version = train(self.project, by="ada", now=NOW).version
            write_model(place, version, self.workspace.artifacts.path(version.digest), run_id="r")
        self.version = find(self.workspace.ledger, ModelRef("late-orders", 1))
        self.data = place / DATA

    def features(self) -> pl.DataFrame:
        return self.workspace.tables.scan(self.version.summary["snapshot"]).collect()

    def predictor(self):
        return open_predictor(self.workspace, self.version.digest, 1)


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Trained:
    """A copy, so that a test may damage it."""
    shutil.copytree(trained_once, tmp_path / "all")
    return Trained(tmp_path / "all" / "orders", tmp_path / "all" / "model")


@pytest.fixture(scope="module")
def trained_once(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained")
    shutil.copytree(orders_template, place / "orders")
    Trained(place / "orders", place / "model")
    return place


def without_lookups(folder: Path) -> None:
    text = (folder / "model.py").read_text()
    assert PLAIN[0] in text
    (folder / "model.py").write_text(text.replace(*PLAIN))
    shapes = 'def numbers(x):\n    return x.select("weight", "hour").to_numpy()\n'
    (folder / "shapes.py").write_text(shapes)


@pytest.fixture
def plain(orders: Path, tmp_path: Path) -> Trained:
    without_lookups(orders)
    return Trained(orders, tmp_path / "model")


def test_features_are_scored_as_the_predictor_scores_them(trained) -> None:
    frame = trained.features()
    scored = trained.predictor().score_features(frame)
    for given in (frame, frame.to_pandas(), frame.to_dict(as_series=False), frame.to_dicts()):
        answers = _load_pyfunc(str(trained.data)).predict(given)
        assert list(answers.columns) == ["decision", "score", "rung"]
        assert answers["score"].tolist() == [row[1] for row in scored]
        assert set(answers["decision"]) == {"call", "wait"}
        assert set(answers["rung"]) == {"full"}


def test_decisions_follow_the_payoffs(trained) -> None:
    answers = _load_pyfunc(str(trained.data)).predict(trained.features())
    pays = answers["score"] * 10 - (1 - answers["score"]) * 4 > 0
    assert (answers["decision"] == "call").tolist() == pays.tolist()


def test_without_lookups_the_asks_are_enough(plain) -> None:
    asks = [ask.name for ask in plain.predictor().asks]
    rows = plain.features().head(20).select(asks)
    expected = plain.predictor().predict_frame(rows, at=NOW)
    for given in (rows, rows.to_pandas()):
        answers = _load_pyfunc(str(plain.data)).predict(given, params=None)
        assert answers["score"].tolist() == expected["score"].to_list()
        assert answers["decision"].tolist() == expected["decision"].to_list()


def test_asks_alone_are_not_enough_for_lookups_and_it_says_what_is(trained) -> None:
    asks = trained.features().select("shop", "weight", "coupon", "ordered_at")
    sentence = (
        r"The frame for late-orders@1 has no column 'late_1d', and facts cannot be looked up outside a workspace: "
        r"give a frame of its features \(shop, weight, .*\), or call outlast\.open\('late-orders@1'\)"
    )
    with pytest.raises(RequestError, match=sentence):
        _load_pyfunc(str(trained.data)).predict(asks)


def test_a_missing_ask_is_named(plain) -> None:
    with pytest.raises(RequestError, match=r"has no column 'shop': give the columns shop, weight, coupon, ordered_at"):
        _load_pyfunc(str(plain.data)).predict(pl.DataFrame({"weight": [1.0]}))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (pl.DataFrame({"shop": []}), "has no rows: give at least one"),
        (7, "A int cannot be read as rows"),
    ],
)
def test_what_is_no_frame_says_so(trained, given, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        _load_pyfunc(str(trained.data)).predict(given)


def test_a_column_of_another_type_says_so(trained) -> None:
    frame = trained.features().with_columns(weight=pl.lit("heavy"))
    with pytest.raises(RequestError, match="The frame for late-orders@1 has other types than its features"):
        _load_pyfunc(str(trained.data)).predict(frame)


def test_a_changed_bundle_is_refused(trained) -> None:
    file = trained.data / "bundle.zip"
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(StorageError, match="is not the one that late-orders@1 was registered with"):
        _load_pyfunc(str(trained.data))


def test_a_newer_format_is_refused(trained) -> None:
    about = trained.data / "version.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "format": 99}))
    with pytest.raises(StorageError, match="has format 99, newer than this release reads"):
        _load_pyfunc(str(trained.data))


def test_a_folder_without_a_version_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"holds no version of a model, version\.json is missing"):
        _load_pyfunc(str(tmp_path))


PROGRAM = """
import sys, warnings
import mlflow, polars as pl
mlflow.set_tracking_uri(sys.argv[1])
frame = pl.read_parquet(sys.argv[2]).to_pandas()
for name in sys.argv[3:]:
    print(mlflow.pyfunc.load_model(name).predict(frame)["score"].tolist())
"""


Load = Callable[[list[str]], list[list[float]]]


@pytest.fixture
def load_here(trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """What MLflow gives in this process, by these names."""

    def load(names: list[str]) -> list[list[float]]:
        import mlflow

        monkeypatch.chdir(tmp_path)
        frame = pl.read_parquet(tmp_path / "features.parquet").to_pandas()
        mlflow.set_tracking_uri(trained.workspace.mlflow_uri)
        return [mlflow.pyfunc.load_model(name).predict(frame)["score"].tolist() for name in names]

    return load


@pytest.fixture
def load_apart(trained, tmp_path: Path) -> Load:
    """The same in a process that knows nothing of us."""

    def load(names: list[str]) -> list[list[float]]:
        address = trained.workspace.mlflow_uri
        command = [sys.executable, "-c", PROGRAM, address, str(tmp_path / "features.parquet"), *names]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "dependency mismatches" not in ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    return load


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")
@pytest.mark.parametrize("load", ["load_here", pytest.param("load_apart", marks=pytest.mark.slow)])
def test_plain_mlflow_loads_it_from_the_mirror_by_number_and_by_alias(
    trained, tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, load: str
) -> None:
    shutil.copyfile(request.getfixturevalue("empty_mlflow"), trained.workspace.home / "mlflow.db")
    assert [one.did for one in mirror(trained.workspace, "late-orders")] == ["made", "pointed"]
    frame = trained.features().head(50)
    frame.write_parquet(tmp_path / "features.parquet")
    expected = [row[1] for row in trained.predictor().score_features(frame)]
    found = request.getfixturevalue(load)(["models:/late-orders/1", "models:/late-orders@challenger"])
    assert found == [expected, expected]
    assert "dependency mismatches" not in caplog.text
