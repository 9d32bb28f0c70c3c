"""Lets the tests of this folder share a watched workspace, and a version that answers."""

import shutil
import sys
from pathlib import Path

import pytest

from outlast.project.workspace import Workspace
from outlast.registry.versions import Version, find
from outlast.types import ModelRef

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def served_template(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of `served`, trained once."""
    from answered import template

    return template(orders_template, tmp_path_factory.mktemp("served") / "orders")


@pytest.fixture
def served(served_template: Path, orders: Path) -> tuple[Workspace, Version]:
    """A version that answers, see `answered`; its project is that of `orders`."""
    shutil.copytree(served_template, orders, dirs_exist_ok=True)
    place = Workspace.find(orders)
    return place, find(place.ledger, ModelRef("late-orders"))
