"""The table that a contract wants scored: when it is due, once, by whoever ticks, and who hears where it is not."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from late_project import ROW, build, promote

from outlast.errors import DataError
from outlast.journal.reading import predictions
from outlast.monitoring.telling.alerts import alerts
from outlast.project.contract import read_contract
from outlast.project.workspace import Workspace
from outlast.registry import contracts
from outlast.retraining import scoring
from outlast.retraining.scoring import score_due
from outlast.serving.scoring.planned import last_of

NIGHT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
PLAN = """
[scoring]
input = "tonight.parquet"
output = "scores/{date}.parquet"
schedule = "01:30"
deadline = "2h"
rows = 1000
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "late"
    workspace = build(folder, versions=1)
    promote(workspace, 1)
    (folder / "outlast.toml").write_text((folder / "outlast.toml").read_text() + PLAN)
    contracts.apply(workspace.ledger, "late", read_contract(folder), by="ada", at=NIGHT)
    workspace.ledger.dispose()
    return folder


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Iterator[Workspace]:
    found = Workspace.find(Path(shutil.copytree(trained, tmp_path / "late")))
    yield found
    found.ledger.dispose()


def ask(workspace: Workspace, count: int) -> None:
    pl.DataFrame([{**ROW, "distance": float(n)} for n in range(count)]).write_parquet(
        workspace.root / "tonight.parquet"
    )


def due(workspace: Workspace, after: timedelta = timedelta(minutes=5)) -> tuple[bool, str]:
    return score_due(workspace, "late", now=NIGHT + after, hold=lambda: None)


def test_a_table_is_scored_once_each_time_it_is_due(workspace) -> None:
    ask(workspace, 30)
    assert due(workspace) == (True, "scored 30 rows into 2026-03-02.parquet")
    assert due(workspace, timedelta(hours=20)) == (False, "done; the next is due 2026-03-03 01:30")
    assert pl.read_parquet(workspace.root / "scores/2026-03-02.parquet").height == 30
    assert predictions(workspace, "late").collect().height == 30
    assert due(workspace, timedelta(hours=24)) == (True, "scored 30 rows into 2026-03-03.parquet")
    assert predictions(workspace, "late").collect().height == 60
    last = last_of(workspace.ledger, "late")
    assert last is not None
    assert (last.done, last.rows, last.due) == (True, 30, NIGHT + timedelta(days=1))
    assert alerts(workspace.ledger, "late") == []


def test_a_table_that_is_not_there_is_waited_for_until_its_deadline(workspace) -> None:
    did, said = due(workspace)
    assert (did, said.startswith("waits since 01:30: There is no file")) == (False, True)
    assert alerts(workspace.ledger, "late") == []
    with pytest.raises(LookupError):
        due(workspace, timedelta(hours=3))
    with pytest.raises(LookupError):
        due(workspace, timedelta(hours=4))
    (alert,) = alerts(workspace.ledger, "late")
    assert (alert.kind, alert.severity, alert.detail["owner"]) == ("scoring late", "page", "ops@example.com")
    assert "the table due 2026-03-02 01:30 UTC is not scored: There is no file" in alert.sentence
    ask(workspace, 3)
    assert due(workspace, timedelta(hours=5))[0]
    assert alerts(workspace.ledger, "late") == [alert]


def test_a_table_that_comes_late_is_told(workspace) -> None:
    ask(workspace, 3)
    assert due(workspace, timedelta(hours=5))[0]
    (alert,) = alerts(workspace.ledger, "late")
    assert alert.severity == "ticket"
    assert "was scored 5h later, and 2h is the deadline" in alert.sentence


def test_a_table_that_cannot_be_scored_is_told_once_and_again_when_it_is_needed(workspace) -> None:
    (workspace.root / "tonight.parquet").write_text("")
    for after in (timedelta(minutes=5), timedelta(minutes=6), timedelta(days=1), timedelta(days=1, hours=3)):
        with pytest.raises(DataError, match="is an empty file"):
            due(workspace, after)
    assert [alert.severity for alert in alerts(workspace.ledger, "late")] == ["ticket", "page"]


def test_a_kill_before_it_was_noted_scores_nothing_twice(workspace, monkeypatch) -> None:
    ask(workspace, 10)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        due(workspace)
    monkeypatch.undo()
    assert due(workspace)[0]
    answers = pl.read_parquet(workspace.root / "scores/2026-03-02.parquet")
    assert sorted(predictions(workspace, "late").collect()["prediction_id"]) == sorted(answers["prediction_id"])
    assert [file.name for file in (workspace.root / "scores").iterdir()] == ["2026-03-02.parquet"]


def test_what_yesterday_left_half_done_is_given_up(workspace) -> None:
    parts = workspace.root / "scores/2026-03-02.parquet.parts"
    ask(workspace, 10)
    assert due(workspace)[0]
    parts.mkdir()
    (parts / "00000000.parquet").write_bytes(b"")
    assert not due(workspace)[0]
    assert not parts.exists()
