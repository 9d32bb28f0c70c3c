"""Lets the tests of this folder share a project in which the loop can go round."""

import shutil
import sys
from pathlib import Path

import pytest

from outlast.project.workspace import Workspace

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "cli")]


@pytest.fixture(scope="session")
def looped_template(many_orders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a live version, and a plan by which a successor is due every week."""
    from looped import looped

    folder = looped(shutil.copytree(many_orders, tmp_path_factory.mktemp("looped") / "orders"))
    place = Workspace.find(folder)
    place.fresh.close()
    place.ledger.dispose()
    return folder


@pytest.fixture
def place(looped_template: Path, tmp_path: Path) -> Workspace:
    """A copy of that project."""
    from looped import copied

    return copied(looped_template, tmp_path / "orders")
