"""What a version that is scored on a schedule is asked: rows a minute, and its deadline."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))
from late_project import build

from outlast.gates.case import Case
from outlast.gates.deadline import in_time
from outlast.project.contract import parse_contract
from outlast.registry.versions import find
from outlast.types import ModelRef

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TABLE = '[scoring]\ninput = "a.parquet"\noutput = "b.parquet"\nschedule = "1d"\n'


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    workspace = build(tmp_path_factory.mktemp("table") / "late", versions=1)
    return Case(workspace, None, parse_contract(TABLE), find(workspace.ledger, ModelRef("late")), None)


@pytest.mark.parametrize(
    ("said", "passed", "says"),
    [
        ('deadline = "1h"\nrows = 1000', True, "they are needed within 1h"),
        ('deadline = "1s"\nrows = 1000000000', False, "make the model or its lookups quicker, or promise less"),
        ('deadline = "1h"', None, "does not say scoring.deadline and scoring.rows"),
    ],
)
def test_as_many_rows_as_are_expected_are_scored_by_the_deadline(case: Case, said: str, passed, says: str) -> None:
    table = Case(case.workspace, None, parse_contract(TABLE + said), case.candidate, None)
    found = in_time(table, now=NOW)
    assert (found.passed, says in found.says) == (passed, True), found.says
    assert ("rows_per_minute" in found.evidence) == (passed is not None)
