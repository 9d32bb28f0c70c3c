"""What a server loads for a version whose model is compiled: none of the libraries it was trained with."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import late_project
import numpy as np
import pytest
import tritonclient.grpc as triton
from observed import observed

from outlast.bundle.plan import PLAN
from outlast.bundle.predictor import open_bundle
from outlast.registry.versions import find
from outlast.types import ModelRef

HEAVY = {"sklearn", "pandas", "scipy", "matplotlib", "mlflow", "joblib", "lightgbm", "xgboost", "onnx", "skl2onnx"}
HEAVY |= {"altair", "pyarrow", "vl_convert", "opentelemetry"}
FIT = """
def fit(x, y, seed):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (words, ["origin"]), (StandardScaler(), ["distance", "wind", "delay_1d", "hour", "jfk"])
    )
    trees = HistGradientBoostingClassifier(max_iter=5, early_stopping=False, random_state=seed)
    return make_pipeline(columns, trees).fit(x, y)


class Unused:"""
START = """
import atexit, json, os, sys
atexit.register(lambda: open(os.environ["LOADED"], "w").write(json.dumps(sorted(sys.modules))))
from outlast.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project with boosted trees, compiled and live."""
    found = tmp_path_factory.mktemp("light") / "late"
    before, _, after = late_project.MODEL.partition("\ndef fit(")
    place = late_project.build(found, versions=1, model=before + FIT + after.partition("class Line:")[2])
    late_project.promote(place, 1)
    version = find(place.ledger, ModelRef.parse("late@1"))
    assert PLAN in open_bundle(place, version.digest).files
    yield found
    place.ledger.dispose()


def test_a_server_of_a_compiled_version_loads_nothing_that_only_training_needs(folder: Path, tmp_path: Path) -> None:
    row, loaded = late_project.ROW, tmp_path / "loaded.json"
    with observed(folder, command=[sys.executable, "-c", START], LOADED=str(loaded)) as server:
        with server.client() as client:
            for path, body in [
                ("/predict/late", row),
                ("/predict/late", {"rows": [row] * 70}),
                ("/invocations", {"dataframe_records": [row]}),
                ("/labels/late", {"prediction_id": "0" * 30, "value": True}),
                ("/facts/weather", {"origin": "JFK", "at": "2013-06-28T13:00:00Z", "wind": 3.0}),
            ]:
                client.post(path, json=body).raise_for_status()
            for path in ("/", "/metrics", "/openapi.json", "/readyz", "/v2/models/late"):
                client.get(path).raise_for_status()
        tensors = [
            triton.InferInput(name, [1], "FP64" if isinstance(value, float) else "BYTES") for name, value in row.items()
        ]
        for tensor, value in zip(tensors, row.values(), strict=True):
            tensor.set_data_from_numpy(np.array([value], dtype=float if isinstance(value, float) else object))
        with triton.InferenceServerClient(server.grpc) as caller:
            assert caller.infer("late", tensors).as_numpy("rung").tolist() == [b"full"]
        assert server.stop() == 0
    modules = json.loads(loaded.read_text())
    assert {"polars", "onnxruntime", "outlast.serving.server"} <= set(modules)
    assert sorted(name for name in modules if name.partition(".")[0] in HEAVY) == []
