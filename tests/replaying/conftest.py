"""A project that is trained once, and copied for each test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from replayed import Shop, copied, trained


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return trained(tmp_path_factory.mktemp("replaying"))


@pytest.fixture
def shop(first: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A copy of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    return copied(first, tmp_path / "shop")
