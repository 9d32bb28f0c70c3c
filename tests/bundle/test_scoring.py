"""A version answers by its compiled model where that gives the golden answers, else by the fitted one."""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outlast.bundle import frames
from outlast.bundle.format import NATIVE, Bundle
from outlast.bundle.plan import PLAN, TREES, Forest, Plan, read_plan, written
from outlast.bundle.predictor import Predictor, open_bundle
from outlast.errors import StorageError
from outlast.project.loader import Project, load_project
from outlast.registry.versions import find
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
FIT = """def fit(x, y, seed):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["shop"]
    encode = make_column_transformer(words, ("passthrough", ["weight", "late_1d", "late_3d", "hour"]))
    return make_pipeline(encode, HistGradientBoostingClassifier(max_iter=8, random_state=seed)).fit(x, y)


"""


@pytest.fixture(scope="module")
def project(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("compiled") / "orders"
    folder.mkdir()
    for path in orders_template.rglob("*"):
        if path.is_file():
            (folder / path.relative_to(orders_template)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(orders_template)).write_bytes(path.read_bytes())
    text = (folder / "model.py").read_text()
    (folder / "model.py").write_text(text[: text.index("def fit(")] + FIT + text[text.index("model = Model(") :])
    found = load_project(folder)
    train(found, by="ada", now=NOW)
    return found


@pytest.fixture(scope="module")
def bundle(project: Project) -> Bundle:
    version = find(project.workspace.ledger, ModelRef(project.model.name, 1))
    return open_bundle(project.workspace, version.digest)


def opened(project: Project, bundle: Bundle, **files: bytes | None) -> Predictor:
    """The version with some of its files replaced, or without them."""
    named = {{"plan": PLAN, "trees": TREES, "native": NATIVE}[name]: data for name, data in files.items()}
    kept = {name: data for name, data in {**bundle.files, **named}.items() if data is not None}
    return Predictor(replace(bundle, files=kept), 1, project.workspace.fresh)


def scores(predictor: Predictor) -> list[float | None]:
    requests = [golden["request"] for golden in predictor.golden]
    return [answer.score for answer in predictor.predict(requests, at=NOW)]


def test_the_compiled_model_answers_what_the_fitted_one_does(project: Project, bundle: Bundle) -> None:
    compiled, fitted = opened(project, bundle), opened(project, bundle, plan=None)
    assert scores(compiled) == scores(fitted)
    assert [scores(compiled)[0]] == [compiled.predict([compiled.example()], at=NOW)[0].score]


def test_a_row_alone_needs_no_frame(project: Project, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = opened(project, bundle)
    expected = scores(predictor)

    def frame(*_: Any) -> None:
        raise AssertionError("a frame was made")

    monkeypatch.setattr(frames, "frame_of", frame)
    monkeypatch.setattr(frames, "apply", frame)
    alone = [predictor.predict([golden["request"]], at=NOW)[0] for golden in predictor.golden]
    assert [answer.score for answer in alone] == expected
    assert {answer.rung for answer in alone} == {"full"}


def test_the_fitted_model_is_not_unpickled_then(project: Project, bundle: Bundle) -> None:
    assert None not in scores(opened(project, bundle, native=b"no pickle"))


def test_a_compiled_model_that_gives_other_than_the_golden_answers_is_not_used(
    project: Project, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    plan = read_plan(bundle.files[PLAN])
    wrong = written(msgspec.structs.replace(plan, factor=1.01))
    with caplog.at_level(logging.WARNING):
        predictor = opened(project, bundle, plan=wrong)
    assert "the fitted model serves, the compiled one answers" in caplog.text
    assert scores(predictor) == scores(opened(project, bundle, plan=None))


def test_nor_one_that_refuses_a_golden_row(project: Project, bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    plan = read_plan(bundle.files[PLAN])
    strict = [json.loads(msgspec.json.encode(column)) for column in plan.columns]
    for column in strict:
        for op in column["ops"]:
            if op["type"] == "code":
                op |= {"keys": ["nowhere"], "values": [0.0], "refuses": ["unknown"]}
    wrong = written(msgspec.structs.replace(plan, columns=msgspec.convert(strict, Plan.__annotations__["columns"])))
    with caplog.at_level(logging.WARNING):
        predictor = opened(project, bundle, plan=wrong)
    assert "the compiled one refuses a golden row" in caplog.text
    assert None not in scores(predictor)


def test_trees_that_are_not_there_are_told(project: Project, bundle: Bundle) -> None:
    assert isinstance(read_plan(bundle.files[PLAN]).model, Forest)
    with pytest.raises(StorageError, match=r"has no model/trees\.onnx: train it again"):
        opened(project, bundle, trees=None)


def test_a_closed_version_says_so(project: Project, bundle: Bundle) -> None:
    predictor = opened(project, bundle)
    predictor.close()
    (answer,) = predictor.predict([predictor.example()], at=NOW)
    assert answer.rung == "default"
    assert "was closed: open it again" in answer.reasons[0]


ANSWERS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from outlast.bundle.predictor import open_predictor
from outlast.project.workspace import Workspace

predictor = open_predictor(Workspace.find(Path(".")), "{digest}", 1)
(answer,) = predictor.predict([predictor.example()], at=datetime(2024, 6, 1, tzinfo=UTC))
heavy = [name for name in ("sklearn", "scipy", "pandas", "mlflow", "onnx") if name in sys.modules]
print(answer.rung, answer.score is not None, heavy)
"""


def test_answering_loads_no_library_that_the_model_was_trained_with(project: Project, bundle: Bundle) -> None:
    script: Any = [sys.executable, "-c", ANSWERS.format(digest=bundle.digest)]
    done = subprocess.run(script, cwd=project.folder, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "full True []"
