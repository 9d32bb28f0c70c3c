"""The quick form of `benchmarks/races.py`: a few rounds of several processes, on both databases."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from outlast.storage.ledger import Outside

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "_racing.py"


@pytest.fixture(scope="module")
def racing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_racing", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_racing"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def test_of_processes_that_decide_at_once_one_wins_each_round(racing: ModuleType, url: str, tmp_path: Path) -> None:
    found = racing.race(url, Outside(tmp_path / "heads.jsonl"), rounds=6, racers=2)
    assert found.winners == (1,) * 6
    assert found.broken is None
    assert found.held
