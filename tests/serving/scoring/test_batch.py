"""Scoring a file: its own columns stay beside the answers, and are no fault."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from late_project import promote

from outlast.bundle.predictor import open_predictor
from outlast.errors import RequestError
from outlast.journal.reading import predictions
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.files import scan_rows
from outlast.serving.scoring import batch as batches
from outlast.serving.scoring.batch import Batch, score_file
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)


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
    score_file(workspace, ModelRef("late"), Batch(folder / "rows.parquet", target, "fresh"), _Quiet())
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
    with pytest.raises(RequestError, match="has no column 'distance': did you mean 'distanse'"):
        _scored(workspace, rows, tmp_path)


def test_questions_of_the_past_are_scored_from_the_history_as_training_scored_them(orders, tmp_path):
    project = load_project(orders)
    version = train(project, by="ada", now=NOW).version
    kept = project.workspace.tables.scan(version.summary["snapshot"]).filter(pl.col("__test")).collect().sort("__key")
    asked = kept.select("shop", "weight", "coupon", "ordered_at")
    asked.write_parquet(tmp_path / "past.parquet")
    batch = Batch(tmp_path / "past.parquet", tmp_path / "answers.parquet")
    done = score_file(project.workspace, ModelRef("late-orders", 1), batch, _Quiet())
    answers = pl.read_parquet(tmp_path / "answers.parquet")
    predictor = open_predictor(project.workspace, version.digest, 1)
    expected = [scores[1] for scores in predictor.score_features(kept)]
    assert done.warned == 0
    assert answers["score"].to_list() == expected


def test_one_row_alone_is_scored_as_in_a_file(orders, tmp_path):
    project = load_project(orders)
    train(project, by="ada", now=NOW)
    row = pl.DataFrame({"shop": ["east"], "weight": [3.3], "coupon": ["A"], "ordered_at": ["2024-03-20T10:07:00Z"]})
    for name, rows in (("one", row), ("two", pl.concat([row, row.with_columns(pl.lit("north").alias("shop"))]))):
        rows.write_parquet(tmp_path / f"{name}.parquet")
        batch = Batch(tmp_path / f"{name}.parquet", tmp_path / f"{name}.csv")
        score_file(project.workspace, ModelRef("late-orders", 1), batch, _Quiet())
    one, two = pl.read_csv(tmp_path / "one.csv"), pl.read_csv(tmp_path / "two.csv")
    assert one["score"][0] == pytest.approx(two["score"][0], abs=1e-15)  # a linear model's BLAS has its own order


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_file_is_scored_in_parts_and_written_whole(workspace, example, tmp_path, monkeypatch, ending: str) -> None:
    monkeypatch.setattr(batches, "PART", 7)
    rows = pl.DataFrame([{**example, "note": f"row {n}"} for n in range(50)])
    rows.write_ndjson(tmp_path / "rows.jsonl")
    seen = _Seen(tmp_path)
    target = tmp_path / f"answers.{ending}"
    done = score_file(workspace, ModelRef("late"), Batch(tmp_path / "rows.jsonl", target, "fresh"), seen)
    answers = scan_rows(target).collect()
    assert answers["note"].to_list() == rows["note"].to_list()
    assert answers["prediction_id"].n_unique() == done.rows == seen.rows == 50
    assert seen.most == 7
    assert seen.beside == {"rows.jsonl", f"answers.{ending}.parts"}
    assert {file.name for file in tmp_path.iterdir() if file.name != "late"} == {"rows.jsonl", target.name}


def test_a_row_that_cannot_be_read_is_refused_alone(workspace, example, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batches, "PART", 7)
    bad = {12, 13, 30}
    rows = [{**example, "distance": 1e300 if n in bad else float(n)} for n in range(50)]
    pl.DataFrame(rows).write_csv(tmp_path / "rows.csv")
    target = tmp_path / "answers.parquet"
    done = score_file(workspace, ModelRef("late"), Batch(tmp_path / "rows.csv", target, "fresh", True), _Quiet())
    answers = pl.read_parquet(target).with_row_index("n")
    refused = answers.filter(rung="refused")
    assert set(refused["n"]) == bad
    assert refused["reasons"].list.first()[2].startswith("Row 30, field 'distance' is the number 1e+300")
    assert refused["prediction_id"].null_count() == refused["decision"].null_count() == 3
    assert done.rungs == {"full": 47, "refused": 3}
    assert done.refused == refused["reasons"][0][0]
    kept = predictions(workspace, "late").collect()
    assert set(kept["prediction_id"]) == set(answers["prediction_id"].drop_nulls())


def test_a_file_of_which_no_row_can_be_read_is_refused(workspace, example, tmp_path) -> None:
    target = tmp_path / "answers.csv"
    target.write_text("of yesterday")
    pl.DataFrame([{**example, "distance": 1e300} for _ in range(5)]).write_csv(tmp_path / "r.csv")
    with pytest.raises(RequestError, match="Row 0, field 'distance'"):
        score_file(workspace, ModelRef("late"), Batch(tmp_path / "r.csv", target, "fresh"), _Quiet())
    assert {file.name for file in tmp_path.iterdir() if file.name != "late"} == {"r.csv", "answers.csv"}
    assert target.read_text() == "of yesterday"


def test_what_is_live_is_journalled_and_what_is_not_is_only_tried(workspace, example, tmp_path) -> None:
    rows, target = tmp_path / "rows.parquet", tmp_path / "answers.parquet"
    pl.DataFrame([example]).write_parquet(rows)
    for ref, record, expected in (("late", None, 1), ("late@2", None, 0), ("late", False, 0), ("late@2", True, 1)):
        before = predictions(workspace, "late").collect().height
        done = score_file(workspace, ModelRef.parse(ref), Batch(rows, target, "fresh", record), _Quiet())
        assert (done.recorded, predictions(workspace, "late").collect().height - before) == (bool(expected), expected)


@pytest.mark.parametrize("form", ["folder", "stars", "lines", "delta"])
def test_rows_may_lie_in_many_files_or_a_table(workspace, example, tmp_path, form: str) -> None:
    rows, folder = pl.DataFrame([{**example, "note": f"row {n}"} for n in range(9)]), tmp_path / "asked"
    folder.mkdir()
    rows.head(4).write_parquet(folder / "a.parquet")
    rows.tail(5).write_parquet(folder / "b.parquet")
    source = {"folder": folder, "stars": folder / "*.parquet", "lines": tmp_path / "r.ndjson", "delta": folder / "t"}
    rows.write_ndjson(tmp_path / "r.ndjson")
    rows.write_delta(str(folder / "t"))
    target = tmp_path / "answers.parquet"
    score_file(workspace, ModelRef("late"), Batch(source[form], target, "fresh"), _Quiet())
    assert pl.read_parquet(target)["note"].to_list() == rows["note"].to_list()
    if form in ("folder", "stars"):
        for over in ("a.parquet", "c.parquet") if form == "folder" else ("a.parquet",):
            with pytest.raises(RequestError, match="cannot be written over the rows they answer"):
                score_file(workspace, ModelRef("late"), Batch(source[form], folder / over, "fresh"), _Quiet())


class _Seen:
    """Notes how far a file is, and what lies in its folder meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows = self.most = 0
        self.beside: set[str] = set()

    def total(self, rows: int) -> None:
        assert rows == 50

    def advance(self, rows: int) -> None:
        self.rows, self.most = self.rows + rows, max(self.most, rows)
        self.beside |= {file.name for file in self._folder.iterdir() if file.name != "late"}
