"""A row of a table gets what it would get over HTTP: rung, reasons, warnings, decision, score to the bit."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import late_project
import polars as pl
import pytest
from late_project import START, promote
from running import Running, running

from outlast.gates.refill import backfill
from outlast.serving.scoring.batch import Batch, score_file
from outlast.types import ModelRef, now

sys.path.insert(0, str(Path(__file__).parent))
from killed import Quiet

POISON = 666.0
FRAGILE = f"""
def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    if rows["distance"].eq({POISON}).any():
        raise ValueError("no such distance")
"""
SAFE = '[serving]\nladder = ["full", "default", "refuse"]\ndefaults = { decision = "no", score = 0.25 }\n'


@pytest.fixture(scope="module", params=["a default", "no default"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A version that a row can make raise, with a rung below or without, and fresh values of its history."""
    folder = tmp_path_factory.mktemp("fragile") / "late"
    model = late_project.MODEL.replace("def calendar(rows: pl.DataFrame) -> pl.DataFrame:\n", FRAGILE.lstrip())
    contract = late_project.CONTRACT + (SAFE if request.param == "a default" else "")
    workspace = late_project.build(folder, versions=1, model=model, contract=contract)
    promote(workspace, 1)
    backfill(workspace, "late", now=now())
    with running(folder) as found:
        yield found


def rows() -> list[dict[str, Any]]:
    """Rows of each kind: as in training, never seen, missing, too large to be read, and one that the code fails on."""
    found = []
    for n in range(90):
        at = START + timedelta(hours=6 * n + 24)
        row = {"flight": f"Z{n}", "origin": ("JFK", "LGA")[n % 2], "tailnum": f"N{n % 9}", "distance": 100.0 + n}
        found.append({**row, "decide_at": at, "scheduled_at": at + timedelta(hours=2)})
    for n, wrong in enumerate(({"origin": "XXX"}, {"distance": 1e300}, {"distance": POISON}, {"tailnum": None})):
        found[20 * n + 7].update(wrong)
    return found


def test_a_table_gets_the_answers_that_http_gives(served: Running, tmp_path: Path) -> None:
    table, target = tmp_path / "rows.parquet", tmp_path / "answers.parquet"
    pl.DataFrame(rows()).write_parquet(table)
    done = score_file(served.workspace, ModelRef("late"), Batch(table, target, "fresh", record=False), Quiet())
    assert done.rungs["full"] >= 86
    assert set(done.rungs) >= {"full", "refused"}
    with served.client() as client:
        for n, (row, found) in enumerate(zip(rows(), pl.read_parquet(target).to_dicts(), strict=True)):
            sent = {name: value.isoformat() if name.endswith("_at") else value for name, value in row.items()}
            answer = client.post("/predict/late", json=sent)
            said = answer.json()
            if answer.status_code == 200:
                assert {name: found[name] for name in ("decision", "score", "rung", "reasons", "warnings")} == {
                    name: said[name] for name in ("decision", "score", "rung", "reasons", "warnings")
                }
            else:
                assert (found["rung"], found["decision"]) == ("refused", None)
                assert [reason.replace(f"Row {n},", "Row 0,") for reason in found["reasons"]] == [
                    said["error"]["message"]
                ]
