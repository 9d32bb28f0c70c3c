"""Decisions are kept in order, and what stands in the way is said once a day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from outlast.project.workspace import Workspace
from outlast.retraining.deciding.records import Step, decisions, note

NOW = datetime(2024, 6, 1, 3, tzinfo=UTC)


def test_one_reason_is_kept_once_a_day_for_each_version(tmp_path: Path) -> None:
    ledger = Workspace(tmp_path).ledger
    hours = timedelta(hours=1)
    with ledger.write() as connection:
        said = [
            note(connection, "late", Step("not", "too soon", reason="cooldown"), NOW),
            note(connection, "late", Step("not", "too soon", reason="cooldown"), NOW + 5 * hours),
            note(connection, "late", Step("not", "too few", reason="labels"), NOW + 5 * hours),
            note(connection, "other", Step("not", "too soon", reason="cooldown"), NOW + 5 * hours),
            note(connection, "late", Step("waits", "it waits", reason="outcomes", version=2), NOW),
            note(connection, "late", Step("waits", "it waits", reason="outcomes", version=3), NOW),
            note(connection, "late", Step("not", "too soon", reason="cooldown"), NOW + 21 * hours),
            note(connection, "late", Step("started", "again"), NOW),
            note(connection, "late", Step("started", "again"), NOW),
        ]
    assert said == [True, False, True, True, True, True, True, True, True]
    found = decisions(ledger, "late")
    assert [one.what for one in found] == ["not", "not", "waits", "waits", "not", "started", "started"]
    assert decisions(ledger, "late", since=NOW + 6 * hours)[0].sentence == "too soon"
    assert len(decisions(ledger)) == 8
