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


@pytest.fixture
def twice(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What every family gives, trained twice: in this process and in one with other hashes."""
    here, there = (
        shutil.copytree(orders_template, tmp_path_factory.mktemp(name) / "orders") for name in ("first", "second")
    )
    return [{family: trained(here, family) for family in FAMILIES}, train_apart(there, HASHES)]


def test_two_trainings_predict_the_same_bits_and_keep_the_same_bytes(twice: list[Any]) -> None:
    """All families in one test: told apart, processes that share the tests would each train them all twice."""
    first, second = twice
    assert {name: found["scores"] for name, found in first.items()} == {n: f["scores"] for n, f in second.items()}
    assert {name: found["model"] for name, found in first.items()} == {n: f["model"] for n, f in second.items()}
    assert first.keys() == FAMILIES.keys()
    for family, found in first.items():
        assert len(set(found["scores"])) > 5, f"{family}: a model that says the same of everything proves nothing"
    assert len({tuple(found["scores"]) for found in first.values()}) == len(FAMILIES), "they do not predict the same"
