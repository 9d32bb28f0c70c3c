"""The quick form of `benchmarks/features/crashes.py`: a few kills of what pushes, fills and prunes."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "features" / "crashes.py"
KILLS = 3


@pytest.fixture(scope="module")
def crashes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("crashes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_fresh_values_are_what_history_says_after_each_kill(
    crashes: ModuleType, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = str(tmp_path / "fresh.db")
    if kind == "redis":
        run_redis = request.getfixturevalue("run_redis")
        with run_redis() as url:
            assert crashes.crash(url, tmp_path, KILLS) == []
    else:
        assert crashes.crash(address, tmp_path, KILLS) == []
    assert crashes.taken(tmp_path) >= KILLS


def test_a_fact_that_was_lost_is_found_out(crashes: ModuleType, tmp_path: Path) -> None:
    store = crashes.open_fresh(tmp_path / "fresh.db")
    (tmp_path / "journal").write_bytes(b"...")
    crashes.update(store, crashes.lookups(), crashes.batch(0))
    assert [one.partition(" ")[0] for one in crashes.faults(store, tmp_path)] == ["window"]
    store.close()


@pytest.mark.slow
def test_fresh_values_are_what_history_says_after_commands_are_killed(crashes: ModuleType, tmp_path: Path) -> None:
    killed, pushes, wrong = crashes._commands.crash(tmp_path, None, 1)
    assert wrong == []
    assert killed.total() >= 1
    assert pushes >= 1
