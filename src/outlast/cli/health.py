"""What `outlast doctor` looks at: this installation, then the workspace. Every fault says how it is mended."""

import importlib.util
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from outlast.clock import VARIABLE, machine, now
from outlast.errors import OutlastError
from outlast.settings import Settings

Finding = dict[str, object]
OLDEST = (3, 11)
_BORN = datetime(2025, 1, 1, tzinfo=UTC)
_NEEDED = {
    "polars": "polars",
    "scikit-learn": "sklearn",
    "mlflow": "mlflow",
    "deltalake": "deltalake",
    "pyarrow": "pyarrow",
    "sqlalchemy": "sqlalchemy",
    "alembic": "alembic",
    "uvicorn": "uvicorn",
}
_EXTRAS = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "postgres": "psycopg",
    "redis": "redis",
    "s3": "s3fs",
    "gcs": "gcsfs",
    "grpc": "grpc",
    "otel": "opentelemetry",
}


def examine(
    *, migrate: bool = False, grant: str | None = None, refill: bool = False, start: Path | None = None
) -> list[Finding]:
    """Everything looked at, in order: what it is, whether it is well, and what it says."""
    found = [_python(), _libraries(), _extras(), _clock()]
    return [*found, *_workspace(start or Path.cwd(), migrate, grant, refill)]


def finding(what: str, ok: bool, says: str) -> Finding:
    """One line of the examination."""
    return {"what": what, "ok": ok, "says": says}


def _python() -> Finding:
    says = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < OLDEST:
        return finding("python", False, f"{says}: Outlast needs {OLDEST[0]}.{OLDEST[1]} or newer; install a newer one")
    return finding("python", True, says)


def _libraries() -> Finding:
    """Versions and whether they can be found; nothing is imported, which would take seconds."""
    here, gone = [], []
    for package, module in _NEEDED.items():
        try:
            number = version(package)
        except PackageNotFoundError:
            number = ""
        if not number or importlib.util.find_spec(module) is None:
            gone.append(package)
        else:
            here.append(f"{package} {number}")
    if gone:
        says = f"{', '.join(gone)} cannot be imported: pip install --force-reinstall outlast=={version('outlast')}"
        return finding("libraries", False, says)
    return finding("libraries", True, f"outlast {version('outlast')}, {', '.join(here)}")


def _extras() -> Finding:
    here = [extra for extra, module in _EXTRAS.items() if importlib.util.find_spec(module) is not None]
    gone = [extra for extra in _EXTRAS if extra not in here]
    says = f"installed: {', '.join(here) or 'none'}"
    return finding("extras", True, says + (f"; to be had: pip install 'outlast[{','.join(gone)}]'" if gone else ""))


def _clock() -> Finding:
    if Settings.read().clock is not None:
        return finding("clock", True, f"{now():%Y-%m-%d %H:%M:%S} UTC, as a replay tells it in {VARIABLE}")
    at = machine()
    if at < _BORN:
        says = f"it is {at:%Y-%m-%d %H:%M} UTC here, before this release was made: set the clock"
        return finding("clock", False, says)
    return finding("clock", True, f"{at:%Y-%m-%d %H:%M:%S} UTC")


def _workspace(start: Path, migrate: bool, grant: str | None, refill: bool) -> Iterator[Finding]:
    from outlast.cli.workspace_health import examined
    from outlast.project.workspace import FILE, Workspace, project_folders, require_project

    try:
        workspace = Workspace.find(start, Settings.read())
        if not (workspace.root / FILE).is_file():
            require_project(start)
        folders = [folder.name for folder in project_folders(workspace)]
        environment = workspace.settings.environment
        assert workspace.environment is not None
    except OutlastError as error:
        yield finding("workspace", False, error.sentence)
        return
    yield finding("workspace", True, f"{workspace.root} ({environment}), projects: {', '.join(folders) or 'none'}")
    yield from examined(workspace, migrate=migrate, grant=grant, refill=refill)
