"""Refused rows held against the contract's share: told once, by window and day, and not where chance explains them."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from watched import DAY, HOUR, MODEL, START, Origin, made, predict, through_the_day

from outlast.bundle.refusals import refusal
from outlast.journal.journal import Journal, seal
from outlast.monitoring.refusals import judge_refusals
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.telling.alerts import alerts
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch
from outlast.types import micros

REASON = "Row 0, field 'wind' is missing: expected a number"


def refuse(workspace: Workspace, origin: Origin, times: list[datetime]) -> None:
    rows = [refusal({}, [], f"r{micros(at)}", None, at=micros(at), reason=REASON) for at in times]
    with Journal(workspace) as journal:
        journal.refusals(rows, origin, request_id="r", server="s1")


def watched(folder: Path, limit: float | None) -> tuple[Workspace, Origin, Subject]:
    monitoring = {} if limit is None else {"refusals": limit}
    workspace, origin = made(folder, {"monitoring": monitoring})
    predict(workspace, origin, through_the_day(2400), labels="none")
    return workspace, origin, open_subject(workspace, MODEL, 1)


def judged(workspace: Workspace, main: Subject, now: datetime) -> int:
    return judge_refusals(workspace, MODEL, main, now=now, subject=lambda _: main)


def test_an_hour_of_refusals_is_told_once_however_often_it_is_looked_at(tmp_path: Path) -> None:
    workspace, origin, main = watched(tmp_path, 0.01)
    hour = START + 5 * HOUR
    refuse(workspace, origin, [hour + timedelta(minutes=n) for n in range(40)])
    assert judged(workspace, main, hour + HOUR / 2) == 0  # the window is not over
    assert judged(workspace, main, hour + HOUR) == 1
    (alert,) = alerts(workspace.ledger, MODEL)
    assert (alert.kind, alert.severity, alert.route) == ("refusals", "page", "log")
    said = "40 of 140 rows were refused (28.6%), more than the 1.00% of the contract: 40 times field 'wind' is missing"
    assert said in alert.sentence
    seal(workspace)
    for later in (HOUR, 2 * HOUR, DAY, 2 * DAY):
        judged(workspace, main, hour + later)
    assert len(alerts(workspace.ledger, MODEL)) == 1  # the day says no more than its hour did


def test_a_trickle_over_a_day_is_told_by_the_day(tmp_path: Path) -> None:
    workspace, origin, main = watched(tmp_path, 0.01)
    refuse(workspace, origin, [START + n * HOUR / 4 for n in range(96)])
    assert judged(workspace, main, START + 23 * HOUR) == 0
    assert judged(workspace, main, START + DAY) == 1
    (alert,) = alerts(workspace.ledger, MODEL)
    assert alert.detail["scale"] == "day"


@pytest.mark.parametrize(("limit", "refused"), [(0.05, 20), (0.01, 1), (None, 96)])
def test_what_the_contract_allows_or_chance_explains_is_not_told(
    tmp_path: Path, limit: float | None, refused: int
) -> None:
    workspace, origin, main = watched(tmp_path, limit)
    refuse(workspace, origin, [START + n * DAY / refused for n in range(refused)])
    assert judged(workspace, main, START + 2 * DAY) == 0


def test_the_tick_looks(tmp_path: Path) -> None:
    workspace, origin, _ = watched(tmp_path, 0.0)
    now = START + 3 * HOUR
    seal(workspace)
    assert watch(Shared(workspace, now), MODEL, lambda: None)[1].endswith("raised 0 alerts")
    refuse(workspace, origin, [START + HOUR + timedelta(minutes=n) for n in range(40)])
    assert "raised 1 alert" in watch(Shared(workspace, now), MODEL, lambda: None)[1]
