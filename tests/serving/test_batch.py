"""Scoring a file: its own columns stay beside the answers, and are no fault."""

from pathlib import Path

import polars as pl
import pytest
from late_project import promote

from outlast.bundle.predictor import open_predictor
from outlast.errors import RequestError
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.batch import score_file
from outlast.types import ModelRef


class _Quiet:
    def total(self, rows: int) -> None: ...

    def advance(self, rows: int) -> None: ...


@pytest.fixture
def example(workspace: Workspace) -> dict[str, object]:
    promote(workspace, 1)
    version = find(workspace.ledger, ModelRef("late"))
    return open_predictor(workspace, version.digest, version.number).example()


def _scored(workspace: Workspace, rows: pl.DataFrame, folder: Path) -> pl.DataFrame:
    rows.write_parquet(folder / "rows.parquet")
    target = folder / "answers.parquet"
    score_file(workspace, ModelRef("late"), folder / "rows.parquet", target, record=False, watcher=_Quiet())
    return pl.read_parquet(target)


def test_columns_that_the_model_does_not_read_stay_and_bring_no_warning(workspace, example, tmp_path):
    rows = pl.DataFrame([{**example, "note": "mine", "score": 7.0}])
    answers = _scored(workspace, rows, tmp_path)
    assert answers["note"].to_list() == ["mine"]
    assert answers["score"].to_list() == [7.0]
    assert 0 <= answers["outlast_score"][0] <= 1
    assert answers["warnings"].to_list() == [[]]


def test_a_misspelt_column_is_named_with_the_nearest(workspace, example, tmp_path):
    rows = pl.DataFrame([example]).rename({"distance": "distanse"})
    with pytest.raises(RequestError, match="'distanse' is not a field: did you mean 'distance'"):
        _scored(workspace, rows, tmp_path)
