"""Where a foreign model lies: a file, or MLflow. Its bytes are read and named by their digest; nothing is executed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from outlast.data.sources import shown
from outlast.errors import NotFound, SettingsError, StorageError
from outlast.project.workspace import OFF, Workspace
from outlast.registry.mlflow_side import connect, faults, quietly
from outlast.types import digest_of

MLFLOW = ("models:/", "runs:/", "mlflow-artifacts:/")


@dataclass(frozen=True)
class Origin:
    """A foreign model as it lies there: a file or a folder, what it is called, and the digest of all its bytes."""

    path: Path
    said: str
    digest: str

    @property
    def mlflow(self) -> bool:
        return self.path.is_dir()


@contextmanager
def origin_of(place: str, workspace: Workspace) -> Iterator[Origin]:
    """A foreign model by its file or its address in MLflow; what was fetched is gone afterwards."""
    if not place.startswith(MLFLOW):
        yield _file(place)
        return
    with TemporaryDirectory(prefix="outlast-adopt-") as folder:
        path = _fetched(place, workspace, folder)
        files = sorted(one for one in path.rglob("*") if one.is_file())
        if not (path / "MLmodel").is_file():
            raise NotFound(f"'{place}' is no model of MLflow, it has no file MLmodel: give the folder of the model")
        digests = {one.relative_to(path).as_posix(): digest_of(one.read_bytes()) for one in files}
        yield Origin(path, place, digest_of(digests))


def _file(place: str) -> Origin:
    path = Path(place)
    if path.is_dir() or not path.exists():
        meant = None if path.is_dir() else _meant(path)
        if meant:
            raise NotFound(f"'{place}' does not exist: did you mean '{meant}'?")
        what = "is a folder" if path.is_dir() else "does not exist"
        raise NotFound(
            f"'{place}' {what}: give a file written by joblib.dump or pickle.dump, or an address such as models:/NAME/3"
        )
    try:
        return Origin(path, path.name, digest_of(path.read_bytes()))
    except OSError as error:
        raise StorageError(f"'{place}' cannot be read: {error}") from error


def _meant(path: Path) -> Path | None:
    """The file that a misspelt name is closest to."""
    beside = [one.name for one in path.parent.iterdir() if one.is_file()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, beside, n=1)
    return path.with_name(close[0]) if close else None


def _fetched(place: str, workspace: Workspace, folder: str) -> Path:
    address = workspace.mlflow_uri
    if address == OFF:
        raise SettingsError(f"MLflow is off, so '{place}' cannot be read: set MLFLOW_TRACKING_URI to where it is")
    try:
        with quietly():
            connect(address)
            import mlflow

            logging.getLogger("mlflow").setLevel(logging.ERROR)
            mlflow.set_tracking_uri(address)
            mlflow.set_registry_uri(address)
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=place, dst_path=folder))
    except faults() as error:
        said = str(error).strip().split("\n")[0]
        raise NotFound(
            f"'{place}' cannot be read from the MLflow at {shown(address)} ({said}): look whether it is there, and at "
            "MLFLOW_TRACKING_URI"
        ) from error
