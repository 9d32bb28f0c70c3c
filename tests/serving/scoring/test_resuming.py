"""A run that was broken off: what is kept of it, who goes on, and what the journal has in the end."""

import fcntl
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from late_project import START, promote

from outlast.errors import Conflict, RequestError, StorageError
from outlast.journal.reading import predictions
from outlast.project.workspace import Workspace
from outlast.serving.scoring import batch as batches
from outlast.serving.scoring import crew
from outlast.serving.scoring.batch import Batch, Scored, score_file
from outlast.types import ModelRef

sys.path.insert(0, str(Path(__file__).parent))
from killed import AT, PART, Quiet

ROWS = 50


@pytest.fixture
def rows(workspace: Workspace, tmp_path: Path) -> Path:
    promote(workspace, 1)
    return asked(tmp_path / "rows.parquet", ROWS)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PART", PART)


def asked(file: Path, count: int) -> Path:
    """Questions about the flights of the project's month."""
    hours = [START + timedelta(hours=7 * n + 48) for n in range(count)]
    asks = {"origin": ["JFK", "LGA"] * (count // 2), "tailnum": [f"N{n % 9}" for n in range(count)]}
    numbers = {"flight": [f"Z{n}" for n in range(count)], "distance": [100.0 + n for n in range(count)]}
    pl.DataFrame({**numbers, **asks, "decide_at": hours, "scheduled_at": hours}).write_parquet(file)
    return file


def scored(workspace: Workspace, source: Path, target: Path, **more: object) -> Scored:
    ref = ModelRef.parse(str(more.pop("ref", "late")))
    return score_file(workspace, ref, Batch(source, target, **{"at": AT, **more}), Quiet())  # type: ignore[arg-type]


def killed(folder: Path, source: Path, target: Path, doing: str, time: int) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), *map(str, (folder, source, target))]
    done = subprocess.run([*command, doing, str(time)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("doing", "time", "before"), [("kept", 3, 14), ("journalled", 4, 28), ("published", 1, ROWS)])
def test_a_killed_run_goes_on_and_is_journalled_once(workspace, folder, rows, tmp_path, doing, time, before) -> None:
    target = tmp_path / "answers.parquet"
    killed(folder, rows, target, doing, time)
    assert target.exists() == (doing == "published")
    found = scored(workspace, rows, target)
    assert (found.rows, found.before, found.recorded) == (ROWS, before, True)
    whole = scored(workspace, rows, tmp_path / "whole.parquet", record=False)
    assert whole.rungs == found.rungs == {"full": ROWS}
    answers, unbroken = pl.read_parquet(target), pl.read_parquet(tmp_path / "whole.parquet")
    assert answers.drop("prediction_id").equals(unbroken.drop("prediction_id"))
    kept = predictions(workspace, "late").collect()
    assert sorted(kept["prediction_id"]) == sorted(answers["prediction_id"])
    assert sorted(kept["request_id"].unique()) == [f"{kept['request_id'][0].rpartition(':')[0]}:{n}" for n in range(8)]
    assert not Path(f"{target}.parts").exists()


def test_another_input_or_version_is_named_and_anew_begins_again(workspace, folder, rows, tmp_path) -> None:
    target = tmp_path / "answers.parquet"
    killed(folder, rows, target, "kept", 2)
    other = asked(tmp_path / "other.parquet", 20)
    for ref, source, more, said in (
        ("late", other, {}, r"rows.parquet with 50 rows, and the rows of .*other.parquet \(20\) are not those"),
        ("late@2", rows, {}, "by late@1, and this is late@2"),
        ("late", rows, {"facts": "fresh"}, "with --facts history, and this is with --facts fresh"),
        ("late", rows, {"record": False}, "answers kept in the journal, and now they are not kept"),
    ):
        with pytest.raises(Conflict, match=said):
            scored(workspace, source, target, ref=ref, **more)
    found = scored(workspace, other, target, anew=True)
    assert (found.rows, found.before, pl.read_parquet(target).height) == (20, 0, 20)


def test_two_at_once_on_one_target_are_refused(workspace, rows, tmp_path) -> None:
    target = tmp_path / "answers.parquet"
    folder = tmp_path / "answers.parquet.parts"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="Another process is scoring into"):
            scored(workspace, rows, target)
    assert scored(workspace, rows, target).rows == ROWS


class _Interrupted(Quiet):
    def advance(self, rows: int) -> None:
        if rows:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on(workspace, rows, tmp_path) -> None:
    target = tmp_path / "answers.csv"
    for turn in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            score_file(workspace, ModelRef("late"), Batch(rows, target, at=AT), _Interrupted())
        assert len(list((tmp_path / "answers.csv.parts").glob("*.parquet"))) == 1, turn
    assert scored(workspace, rows, target).before == PART


def test_a_full_disk_is_a_sentence_and_the_run_goes_on(workspace, rows, tmp_path, monkeypatch) -> None:
    target, plain, count = tmp_path / "answers.parquet", os.fsync, 0

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count > 8:
            raise OSError(28, "No space left on device")
        plain(handle)

    monkeypatch.setattr("outlast.serving.scoring.kept.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device; free some space, and the same command goes on"):
        scored(workspace, rows, target, record=False)
    monkeypatch.undo()
    monkeypatch.setattr(batches, "PART", PART)
    assert 0 < scored(workspace, rows, target, record=False).before < ROWS
    assert pl.read_parquet(target).height == ROWS


def test_a_delta_table_gets_a_runs_rows_once_and_all_at_once(workspace, folder, rows, tmp_path) -> None:
    target = tmp_path / "answers.delta"
    killed(folder, rows, target, "published", 1)
    assert pl.read_delta(str(target)).height == ROWS
    assert scored(workspace, rows, target).before == ROWS
    assert pl.read_delta(str(target)).height == ROWS
    assert scored(workspace, rows, target, at=AT + timedelta(days=1)).before == 0
    assert pl.read_delta(str(target)).height == 2 * ROWS


def test_several_processes_score_as_one_does(workspace, rows, tmp_path) -> None:
    one = scored(workspace, rows, tmp_path / "one.parquet", record=False)
    two = scored(workspace, rows, tmp_path / "two.parquet", workers=2)
    assert one.rungs == two.rungs
    alone, together = pl.read_parquet(tmp_path / "one.parquet"), pl.read_parquet(tmp_path / "two.parquet")
    assert together.drop("prediction_id").equals(alone.drop("prediction_id"))
    assert sorted(predictions(workspace, "late").collect()["prediction_id"]) == sorted(together["prediction_id"])


class _Killing(Quiet):
    """Kills the processes that score, once a part is done."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *given: Any, **named: Any) -> "subprocess.Popen[bytes]":
        self.started.append(subprocess.Popen(*given, **named))
        return self.started[-1]

    def advance(self, rows: int) -> None:
        for process in self.started if rows else ():
            process.kill()


def test_a_process_that_dies_is_named_and_the_run_goes_on(workspace, rows, tmp_path, monkeypatch) -> None:
    target, watcher = tmp_path / "answers.parquet", _Killing()
    monkeypatch.setattr(crew, "Popen", watcher.start)
    with pytest.raises(StorageError, match="A process that scored ended by signal 9, "):
        score_file(workspace, ModelRef("late"), Batch(rows, target, at=AT, workers=2), watcher)
    assert [process.poll() for process in watcher.started] == [-signal.SIGKILL] * 2
    assert scored(workspace, rows, target).before > 0
    assert predictions(workspace, "late").collect().height == ROWS


def test_a_broken_row_of_the_first_part_is_said_by_another_process_as_by_this(workspace, rows, tmp_path) -> None:
    pl.read_parquet(rows).with_columns(distance=pl.lit(1e300)).write_parquet(rows)
    with pytest.raises(RequestError, match="Row 0, field 'distance'"):
        scored(workspace, rows, tmp_path / "answers.parquet", workers=2)
