"""A live model that is not asked any more: told once its silence is longer than any it was known by, while it lasts."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from watched import DAY, HOUR, MODEL, START, Origin, made, predict

from outlast.bundle.refusals import refusal
from outlast.journal.journal import Journal, seal
from outlast.monitoring.counting.marks import mark
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.incidents.tending import tend
from outlast.monitoring.silence import tell
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.telling.alerts import alerts
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch
from outlast.storage.ledger import schema as tables
from outlast.types import micros


def promoted(workspace: Workspace, *steps: tuple[datetime, int | None]) -> None:
    """What was live from when on."""
    with workspace.ledger.write() as connection:
        for sequence, (at, to) in enumerate(steps or ((START, 1),), 1):
            change = {"model": MODEL, "sequence": sequence, "action": "promote" if to else "retire", "at": at}
            change |= {"from_version": None, "to_version": to, "by": "ada", "reason": None, "verdict_digest": None}
            connection.execute(sa.insert(tables.transitions).values(change))


def days(n: int, *, each: int = 22, first: int = 0) -> list[datetime]:
    """Questions of so many days, by day: from eight to eight."""
    return [START + (first + day) * DAY + 8 * HOUR + k * 12 * HOUR / each for day in range(n) for k in range(each)]


def asked(
    folder: Path, times: list[datetime], *, cadence: str = "1d", live: bool = True
) -> tuple[Workspace, Origin, Subject]:
    workspace, origin = made(folder, {"monitoring": {"cadence": cadence}})
    if live:
        promoted(workspace)
    predict(workspace, origin, times, labels="none")
    return workspace, origin, open_subject(workspace, MODEL, 1)


@pytest.mark.parametrize("every", [HOUR * 7, DAY, 40 * DAY])
def test_a_model_that_is_not_asked_any_more_is_found_for_as_long_as_it_lasts(tmp_path: Path, every: timedelta) -> None:
    workspace, _, main = asked(tmp_path, days(20))
    last = days(20)[-1]
    assert tell(workspace, main, last + 2 * DAY - HOUR) == 0
    now, told = last + 2 * DAY + HOUR, 0
    while now < last + 90 * DAY:
        told += tell(workspace, main, now)
        (incident,) = incidents(workspace.ledger, MODEL)
        assert incident.seen_at == now
        now += every
    (alert,) = alerts(workspace.ledger, MODEL)
    assert (told, alert.kind, alert.severity) == (1, "silence", "ticket")
    assert (incident.cause, incident.severity, incident.since) == ("missing questions", "SEV3", last)
    assert "late was not asked since 2013-07-20 19:27 UTC, 2d1h ago; in the 60 days before it was asked on 20" in (
        alert.sentence
    )
    assert "never went unasked for longer than 12h33m" in alert.sentence


def test_it_is_calm_once_questions_come_again(tmp_path: Path) -> None:
    workspace, origin, main = asked(tmp_path, days(20))
    tell(workspace, main, START + 25 * DAY)
    predict(workspace, origin, days(5, first=25), seed=3, labels="none")
    for day in (26, 27, 28, 29):
        assert tell(workspace, main, START + day * DAY) == 0
    tend(workspace.ledger, lambda _: main.contract, now=START + 29 * DAY)
    (incident,) = incidents(workspace.ledger, MODEL)
    assert incident.calm_since is not None


@pytest.mark.parametrize("cadence", ["1h", "1d"])
def test_what_a_model_usually_does_without_is_not_told(tmp_path: Path, cadence: str) -> None:
    """Asked on every fourth day only: three times as long is nothing new."""
    times = [one for day in range(0, 76, 4) for one in days(1, first=day)]
    workspace, _, main = asked(tmp_path, times, cadence=cadence)
    for day in range(73, 84):
        assert tell(workspace, main, START + day * DAY) == 0
    assert tell(workspace, main, START + 84 * DAY) == 1


@pytest.mark.parametrize("n", [13, 14])
def test_a_model_is_known_by_fourteen_days_of_questions(tmp_path: Path, n: int) -> None:
    workspace, _, main = asked(tmp_path, days(n))
    assert tell(workspace, main, START + 40 * DAY) == (n == 14)


def test_what_is_not_live_or_live_since_shortly_is_not_waited_for(tmp_path: Path) -> None:
    workspace, _, main = asked(tmp_path, days(20), live=False)
    assert tell(workspace, main, START + 40 * DAY) == 0
    back = START + 40 * DAY
    promoted(workspace, (START, 1), (START + 20 * DAY, None), (back, 1), (back + DAY, 1))
    assert tell(workspace, main, back + 2 * DAY) == 0
    assert tell(workspace, main, back + 2 * DAY + HOUR) == 1


def test_questions_that_are_refused_are_questions(tmp_path: Path) -> None:
    workspace, origin, main = asked(tmp_path, days(20))
    with Journal(workspace) as journal:
        rows = [refusal({}, [], f"r{n}", None, at=micros(at), reason="no") for n, at in enumerate(days(5, first=20))]
        journal.refusals(rows, origin, request_id="r", server="s1")
    assert tell(workspace, main, START + 26 * DAY) == 0
    assert tell(workspace, main, START + 28 * DAY) == 1


def test_looked_at_often_or_once_the_same_is_known(tmp_path: Path) -> None:
    found = []
    for name, every in (("often", 5 * HOUR), ("once", 30 * DAY)):
        workspace, _, main = asked(tmp_path / name, days(20), cadence="1h")
        now = START
        while now < START + 30 * DAY:
            now += every
            tell(workspace, main, now)
        found.append(mark(workspace.ledger, f"asked/{MODEL}"))
    assert found[0] == found[1]


def test_a_table_scored_by_schedule_is_told_by_its_schedule(tmp_path: Path) -> None:
    plan = {"input": "a.parquet", "output": "b.parquet", "schedule": "02:30"}
    workspace, origin = made(tmp_path, {"monitoring": {"cadence": "1d"}, "scoring": plan})
    promoted(workspace)
    predict(workspace, origin, days(20), labels="none")
    assert tell(workspace, open_subject(workspace, MODEL, 1), START + 60 * DAY) == 0


def test_the_tick_tells_of_it(tmp_path: Path) -> None:
    workspace, _, _ = asked(tmp_path, days(20))
    seal(workspace)
    watch(Shared(workspace, START + 20 * DAY), MODEL, lambda: None)
    assert "raised 1 alert" in watch(Shared(workspace, START + 60 * DAY), MODEL, lambda: None)[1]
    assert [one.cause for one in incidents(workspace.ledger, MODEL)] == ["missing questions"]
