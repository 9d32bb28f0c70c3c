"""The same code, data and seed give the same bits, in another process, another folder and with other hashes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.families import FAMILIES, trained

HASHES = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"


def train_apart(folder: Path, hashes: str) -> Any:
    command = [sys.executable, str(Path(__file__).parent / "families.py"), str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": hashes, "MLFLOW_TRACKING_URI": "off"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def twice(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What every family gives, trained twice: in this process and in one with other hashes."""
    here, there = (
        shutil.copytree(orders_template, tmp_path_factory.mktemp(name) / "orders") for name in ("first", "second")
    )
    return [{family: trained(here, family) for family in FAMILIES}, train_apart(there, HASHES)]


@pytest.mark.parametrize("family", FAMILIES)
def test_two_trainings_predict_the_same_bits(twice: list[Any], family: str) -> None:
    first, second = (found[family] for found in twice)
    assert first["scores"] == second["scores"]
    assert len(set(first["scores"])) > 5, "a model that says the same of everything proves nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_two_trainings_keep_the_same_bytes(twice: list[Any], family: str) -> None:
    first, second = (found[family] for found in twice)
    assert first["model"] == second["model"]


def test_the_families_do_not_predict_the_same(twice: list[Any]) -> None:
    assert len({tuple(twice[0][family]["scores"]) for family in FAMILIES}) == len(FAMILIES)
