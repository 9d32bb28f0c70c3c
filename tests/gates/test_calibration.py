"""Chances against the contract's limit: within, beyond, and too few rows to tell."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from outlast.gates.calibration import well_calibrated
from outlast.gates.case import Case
from outlast.project.contract import Contract, GateSection
from outlast.training.evaluation.calibration import calibration


def case(rows: int, off: float, task: str = "binary") -> Case:
    rng = np.random.default_rng(3)
    said = rng.uniform(0.2, 0.7, rows)
    y = (rng.random(rows) < said + off).astype(np.int64)
    version = SimpleNamespace(task=task, number=1, summary={"evaluation": {"calibration": calibration(y, said, 1)}})
    return Case(None, Path(), Contract(gate=GateSection(calibration=0.05)), version, None)


@pytest.mark.parametrize(
    ("rows", "off", "passed", "decided", "says"),
    [
        (20_000, 0.0, True, True, "within 0.05"),
        (20_000, 0.15, False, True, "beyond 0.05: calibrate the model in `fit`"),
        (100, 0.0, True, False, "too few rows to say on which side of 0.05"),
    ],
)
def test_only_what_is_surely_beyond_the_limit_fails(
    rows: int, off: float, passed: bool, decided: bool, says: str
) -> None:
    found = well_calibrated(case(rows, off))
    assert (found.passed, found.evidence["decided"]) == (passed, decided)
    assert found.says.endswith(says) or says in found.says


def test_a_regression_gives_no_chances() -> None:
    assert well_calibrated(case(100, 0.0, "regression")).passed is True
