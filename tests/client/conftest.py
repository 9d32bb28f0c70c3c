"""A trained project, and a real server of it that answers in this process."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))
from late_project import build, promote

from outlast.project.workspace import Workspace
from outlast.serving.server import local


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    """The address of a server, and its workspace."""
    folder = tmp_path_factory.mktemp("asked") / "late"
    place = build(folder, versions=1)
    promote(place, 1)
    with local(place) as address:
        yield address, place
    place.ledger.dispose()
