"""A trained version for what is said of versions; each test has a copy of its workspace."""

import shutil
from pathlib import Path

import pytest

from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.training.run import train
from outlast.types import now


@pytest.fixture(scope="session")
def trained_orders(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with one version, never judged; look, do not touch."""
    folder = Path(shutil.copytree(orders_template, tmp_path_factory.mktemp("evidence") / "orders"))
    project = load_project(folder)
    train(project, by="ada", now=now())
    project.workspace.ledger.dispose()
    return folder


@pytest.fixture
def known(trained_orders: Path, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return Workspace.find(Path(shutil.copytree(trained_orders, tmp_path / "orders")))
