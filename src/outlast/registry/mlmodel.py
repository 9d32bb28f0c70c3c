"""A version as a folder that MLflow calls a model: the bundle, and an MLmodel that says how to load it."""

import json
import platform
import shutil
import zipfile
from importlib.metadata import version as installed
from pathlib import Path

from outlast.registry.versions import Version
from outlast.types import FORMAT

DATA = "outlast"
BUNDLE = "bundle.zip"
ABOUT = "version.json"
ENVIRONMENT = "environment.txt"
LOADER = "outlast.bundle.pyfunc"
_NEEDED = ("lightgbm", "mlflow", "numpy", "outlast", "pandas", "polars", "scikit-learn", "xgboost", "xgboost-cpu")


def write_model(folder: Path, version: Version, bundle: Path, *, run_id: str) -> None:
    """Write the folder for a version whose bundle is in a file; nothing in the bundle is executed."""
    data = folder / DATA
    data.mkdir(parents=True)
    shutil.copyfile(bundle, data / BUNDLE)
    about = {"format": FORMAT, "model": version.model, "number": version.number, "digest": version.digest}
    (data / ABOUT).write_text(json.dumps(about, indent=1))
    (folder / "MLmodel").write_text(json.dumps(_mlmodel(version, run_id), indent=1))  # JSON is YAML too
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in _requirements(bundle)))
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(json.dumps(environment, indent=1))


def _mlmodel(version: Version, run_id: str) -> dict[str, object]:
    loading = {
        "loader_module": LOADER,
        "data": DATA,
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": platform.python_version(),
    }
    return {
        "artifact_path": "model",
        "flavors": {"python_function": loading},
        "metadata": {"outlast.version": str(version), "outlast.digest": version.digest},
        "mlflow_version": installed("mlflow"),
        "model_uuid": version.digest[:32],
        "run_id": run_id,
        "utc_time_created": version.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
    }


def _requirements(bundle: Path) -> list[str]:
    """What a process needs that loads the version, as it was installed in training."""
    with zipfile.ZipFile(bundle) as archive:
        lines = archive.read(ENVIRONMENT).decode().split() if ENVIRONMENT in archive.namelist() else []
    return [line for line in lines if line.partition("==")[0] in _NEEDED] or [f"outlast=={installed('outlast')}"]
