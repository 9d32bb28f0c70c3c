"""Lets the tests of this folder share a watched workspace, and a version that answers."""

import sys
from pathlib import Path

import pytest

from outlast.project.workspace import Workspace
from outlast.registry.versions import Version

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def served(orders: Path) -> tuple[Workspace, Version]:
    """A version that answers, see `answered`."""
    from answered import rated

    return rated(orders)
