"""A trained project to serve, and a server of it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import numbers_project
from late_project import build, promote
from running import Running, running

from outlast.project.workspace import Workspace


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three versions, none of them live; look, do not touch."""
    folder = tmp_path_factory.mktemp("trained") / "late"
    build(folder, versions=3).ledger.dispose()
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the project."""
    return Path(shutil.copytree(trained, tmp_path / "late"))


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    found = Workspace.find(folder)
    yield found
    found.ledger.dispose()


@pytest.fixture(scope="module")
def both(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same, speaking gRPC too."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("both") / "late"))
    promote(Workspace.find(folder), 1)
    with running(folder, grpc_port=0) as found:
        yield found


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Version 1 of the project, live and served; the tests of a module share it."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("served") / "late"))
    promote(Workspace.find(folder), 1)
    with running(folder) as found:
        yield found


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A model of three numbers and three classes, live and served."""
    folder = tmp_path_factory.mktemp("numbers") / "grade"
    numbers_project.build(folder).ledger.dispose()
    with running(folder, grpc_port=0) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found
