"""What is older than the contract keeps is taken out, and small files are joined; nothing else changes."""

from datetime import timedelta
from pathlib import Path

import pytest
from kept import NOON, Version, answer

from outlast.journal import keeping, reading
from outlast.journal.journal import Journal, seal
from outlast.journal.records import label
from outlast.project.workspace import Workspace
from outlast.registry.audit import entries
from outlast.types import micros

DAYS = range(10)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Ten days of predictions, labels, shadows and facts, sealed day by day."""
    found = Workspace(tmp_path)
    for day in DAYS:
        at = NOON + timedelta(days=day)
        with Journal(found) as journal:
            journal.predictions([answer(day, at=at)], Version(), request_id=f"r{day}", server="s")
            journal.shadows([([answer(100 + day, at=at)], f"r{day}")], Version(), server="s")
            told = [label("late", True, prediction_id=f"p{day}", known_at=micros(at), at=micros(at), origin="test")]
            journal.labels(told)
            journal.facts("landings", [{"flight": day}], at=at)
        seal(found)
    return found


def days(workspace: Workspace, table: str) -> list[int]:
    return sorted((at - NOON).days for at in workspace.tables.scan(table).collect()["at"])


def test_what_is_older_is_taken_out_by_whole_days_and_the_trail_says_so(workspace: Workspace) -> None:
    now = NOON + timedelta(days=9, hours=3)
    gone = keeping.expire(workspace, "late", timedelta(days=4), by="tick", now=now)
    assert gone == {"predictions/late": 5, "labels/late": 5, "shadows/late": 5}
    for table in gone:
        assert days(workspace, table) == [5, 6, 7, 8, 9]
    assert days(workspace, "facts/landings") == list(DAYS)
    (entry,) = entries(workspace.ledger, object="late")
    assert (entry.action, entry.actor, entry.detail["rows"]) == ("expire", "tick", gone)
    versions = [workspace.tables.version(table) for table in gone]
    assert keeping.expire(workspace, "late", timedelta(days=4), by="tick", now=now) == {}
    assert [workspace.tables.version(table) for table in gone] == versions


def test_a_model_without_answers_has_nothing_to_take_out(workspace: Workspace) -> None:
    assert keeping.expire(workspace, "other", timedelta(days=1), by="tick", now=NOON) == {}


def test_small_files_are_joined_once_there_are_many(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reading.predictions(workspace, "late").sort("at").collect()
    assert keeping.compact(workspace) == []
    monkeypatch.setattr(keeping, "FILES", 10)
    assert keeping.compact(workspace) == ["facts/landings", "labels/late", "predictions/late", "shadows/late"]
    assert workspace.tables.small_files("predictions/late") == 1
    assert keeping.compact(workspace) == []
    assert reading.predictions(workspace, "late").sort("at").collect().equals(before)
