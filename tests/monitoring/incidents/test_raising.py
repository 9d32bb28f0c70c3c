"""Findings become incidents, one for each cause, and people hear of it when it is new or worse."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents.acting import accept, resolve, snooze
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.incidents.reading import incidents, timeline
from outlast.monitoring.judge import Finding
from outlast.monitoring.telling.alerts import alerts
from outlast.project.contract import Contract
from outlast.storage.ledger import Ledger, open_ledger

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2013, 7, 1, tzinfo=UTC)
CONTRACT = Contract.model_validate({"model": {"owner": "ops"}, "monitoring": {"routes": ["log"]}})
WHO = {"by": "ana", "reason": "seen"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


def finding(kind: str, column: str | None = None, severity: str = "ticket", **more) -> Finding:
    return Finding(kind, column, severity, f"{kind} of {column}", more.pop("deviation", 6.0), **more)


EMPTY = finding("empty-column", "wind", "page", deviation=None)
STALE = finding("feed-stale", "weather", since=START)
DRIFT, LOSS = finding("feature-drift", "temp"), finding("loss", None, "page")


def found(ledger: Ledger, *findings: Finding, day: int = 0, version: int = 1, sources=None, contract=CONTRACT) -> int:
    """What a day's findings make new or worse, the day after."""
    scope = Scope("late", version, "day", START + day * DAY, START + (day + 1) * DAY, sources or {})
    with ledger.write() as connection:
        return raise_findings(connection, scope, findings, contract, scope.ends_at + HOUR)


def causes(ledger: Ledger) -> dict[str, set[str]]:
    """The kinds that each live incident holds, by cause."""
    return {one.cause: {f.kind for f in one.found} for one in incidents(ledger, "late", live=True)}


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([[EMPTY, LOSS, DRIFT]], {"column wind": {"empty-column", "loss", "feature-drift"}}),
        ([[EMPTY], [LOSS, DRIFT]], {"column wind": {"empty-column", "loss", "feature-drift"}}),
        ([[LOSS], [DRIFT]], {"performance": {"loss", "feature-drift"}}),
        # the fault was there when the loss began, and is found later: it takes the loss over
        ([[LOSS], [STALE]], {"source weather": {"loss", "feed-stale"}}),
        # a fault that begins long after the loss does not explain it
        ([[LOSS], [], [], [EMPTY]], {"performance": {"loss"}, "column wind": {"empty-column"}}),
        # a fault that is gone for days explains nothing that begins now
        ([[EMPTY], [], [], [], [], [LOSS]], {"column wind": {"empty-column"}, "performance": {"loss"}}),
        # columns that fail together are one fault
        ([[EMPTY, finding("data-quality", "visib")]], {"column wind": {"empty-column", "data-quality"}}),
        ([[STALE, finding("feed-volume", "b")]], {"source weather": {"feed-stale"}, "source b": {"feed-volume"}}),
        ([[finding("refusals", None, "page")], [LOSS]], {"refusals": {"refusals"}, "performance": {"loss"}}),
        ([[finding("scoring", "1")], [finding("scoring late", "2")]], {"scoring": {"scoring", "scoring late"}}),
        ([[finding("other-code"), finding("journal")]], {"other code": {"other-code"}, "journal": {"journal"}}),
    ],
)  # fmt: skip
def test_findings_of_one_cause_are_one_incident(ledger: Ledger, days: list[list[Finding]], expected) -> None:
    for day, some in enumerate(days):
        found(ledger, *some, day=day)
    assert causes(ledger) == expected


def test_columns_of_one_source_are_one_fault_and_named_by_it(ledger: Ledger) -> None:
    sources = {"wind": "weather", "visib": "weather", "delay": "landings"}
    some = [EMPTY, finding("data-quality", "visib"), finding("data-quality", "delay")]
    assert found(ledger, *some, sources=sources) == 2
    assert set(causes(ledger)) == {"source weather", "source landings"}


def test_the_same_again_joins_silently_and_is_counted(ledger: Ledger) -> None:
    assert [found(ledger, DRIFT, day=day) for day in range(5)] == [1, 0, 0, 0, 0]
    (one,) = incidents(ledger)
    assert (one.severity, one.state, one.owner, one.since, one.last) == ("SEV3", "open", "ops", START, START + 5 * DAY)
    assert [f.times for f in one.found] == [5]
    assert len(alerts(ledger)) == 1
    assert [line.action for line in timeline(ledger, one.id)] == ["opened"]


def test_what_becomes_worse_is_said_once_more_and_wakes_whoever_put_it_off(ledger: Ledger) -> None:
    found(ledger, DRIFT)
    (one,) = incidents(ledger)
    snooze(ledger, one, 10 * DAY, at=START + DAY, **WHO)
    assert [found(ledger, DRIFT, LOSS, day=1), found(ledger, DRIFT, LOSS, day=2)] == [1, 0]
    (one,) = incidents(ledger)
    assert (one.severity, one.state) == ("SEV2", "open")
    assert [(alert.severity, alert.detail["step"]) for alert in alerts(ledger)] == [
        ("ticket", "opened"),
        ("page", "worsened"),
    ]
    assert "now SEV2" in alerts(ledger)[1].sentence
    assert [line.action for line in timeline(ledger, one.id)] == ["opened", "snooze", "worsened"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(250.0, 900.0, "SEV1"), (60.0, 900.0, "SEV2"), (-10.0, 900.0, "SEV3"), (-10.0, 20.0, "SEV3")],
)
def test_a_loss_is_as_grave_as_what_it_surely_costs(ledger: Ledger, low: float, high: float, expected: str) -> None:
    found(ledger, finding("value", None, "page", harm=Harm((low + high) / 2, low, high, stake=1000.0)))
    (one,) = incidents(ledger)
    assert (one.severity, one.cost.low, one.cost.stake) == (expected, low, 1000.0)


def test_a_drift_that_costs_nothing_is_kept_and_nobody_is_told(ledger: Ledger) -> None:
    cheap = finding("feature-drift", "temp", harm=Harm(1.0, -5.0, 7.0, stake=1000.0))
    assert found(ledger, cheap) == 0
    assert [one.benign for one in incidents(ledger)] == [True]
    assert alerts(ledger) == []
    assert found(ledger, finding("feature-drift", "temp", harm=Harm(130.0, 100.0, 160.0, stake=1000.0)), day=1) == 1
    (one,) = incidents(ledger)
    assert (one.benign, one.severity, len(alerts(ledger))) == (False, "SEV2", 1)


@pytest.mark.parametrize("kind", ["feature-drift", "score-drift", "feature-jump", "multivariate"])
def test_what_only_moves_pages_by_a_loss_that_is_sure(ledger: Ledger, kind: str) -> None:
    """One bad day may come with it, and it is looked at day after day: the loss itself has a detector and a budget."""
    bad_day = Harm(2860.0, 370.0, 5350.0, stake=1000.0)
    found(ledger, finding(kind, "temp", harm=bad_day))
    assert [one.severity for one in incidents(ledger)] == ["SEV3"]
    assert [alert.severity for alert in alerts(ledger)] == ["ticket"]
    found(ledger, finding(kind, "temp", harm=Harm(2860.0, 2000.0, 3720.0, stake=1000.0)), day=1)
    assert [one.severity for one in incidents(ledger)] == ["SEV1"]


def test_a_loss_that_is_found_pages_by_its_plain_limit_whatever_moved_with_it(ledger: Ledger) -> None:
    costs = Harm(400.0, 250.0, 550.0, stake=1000.0)
    found(ledger, DRIFT, finding("loss", None, "page", harm=costs))
    assert [one.severity for one in incidents(ledger)] == ["SEV1"]


def test_a_jump_is_a_fault_of_its_source_and_each_is_news(ledger: Ledger) -> None:
    jump, sources = finding("feature-jump", "dewp", against="course"), {"dewp": "weather", "wind": "weather"}
    found(ledger, jump, LOSS, sources=sources)
    assert causes(ledger) == {"source weather": {"feature-jump", "loss"}}
    (one,) = incidents(ledger)
    accept(ledger, one, at=START + DAY + 2 * HOUR, **WHO)
    assert found(ledger, jump, day=60, sources=sources) == 1


def test_another_version_loses_by_itself_and_shares_the_fault_of_a_feed(ledger: Ledger) -> None:
    found(ledger, LOSS)
    found(ledger, LOSS, version=2)
    assert sorted(one.version for one in incidents(ledger)) == [1, 2]
    feed = finding("feed-stale", "weather", since=START + 9 * DAY)
    found(ledger, feed, day=9)
    found(ledger, feed, day=9, version=2)
    assert len(incidents(ledger)) == 3


def test_a_resolved_incident_takes_nothing_more_and_says_that_it_came_back(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    (one,) = incidents(ledger)
    resolve(ledger, one, at=START + DAY + 2 * HOUR, **WHO)
    assert found(ledger, EMPTY) == 0  # judged once more: it tells of the time before
    assert found(ledger, EMPTY, day=1) == 0
    assert found(ledger, EMPTY, day=2) == 1
    again = incidents(ledger, live=True)[0]
    assert again.before == one.id
    assert f"it came back, {one.id} was closed" in timeline(ledger, again.id)[0].sentence


def test_what_was_accepted_is_normal_until_it_is_worse(ledger: Ledger) -> None:
    found(ledger, DRIFT)
    (one,) = incidents(ledger)
    accept(ledger, one, at=START + DAY + 2 * HOUR, **WHO)
    assert [found(ledger, DRIFT, day=day) for day in range(2, 40, 5)] == [0] * 8
    assert incidents(ledger, live=True) == []
    assert found(ledger, finding("feature-drift", "visib"), day=40) == 1  # another column
    assert found(ledger, finding("feature-drift", "temp", "page"), day=41) == 1  # a page was not accepted
    moved_on = finding("feature-drift", "temp", against="accepted")
    resolve(ledger, incidents(ledger, live=True)[0], at=START + 43 * DAY, **WHO)
    assert found(ledger, moved_on, day=44) == 1


def test_an_id_is_short_and_the_same_wherever_the_same_is_found(tmp_path: Path) -> None:
    ids = []
    for place in ("a", "b"):
        with open_ledger(f"sqlite:///{tmp_path}/{place}.db") as ledger:
            found(ledger, EMPTY)
            ids += [one.id for one in incidents(ledger)]
    assert len(set(ids)) == 1
    assert len(ids[0]) == 5


def test_two_jobs_that_find_one_fault_at_once_open_one_incident(postgres_url: str) -> None:
    with open_ledger(postgres_url) as ledger:
        start, told = Barrier(2), []

        def one() -> None:
            start.wait()
            told.append(found(ledger, EMPTY))

        threads = [Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == [0, 1]
        assert [f.times for f in incidents(ledger)[0].found] == [1]  # of one time
        assert len(incidents(ledger)) == len(alerts(ledger)) == 1
