"""Alerts reach their route once each, whatever the route does meanwhile."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from webhook import Webhook

from outlast.errors import ContractError
from outlast.monitoring.telling.alerts import Message, alerts, say
from outlast.monitoring.telling.delivery import deliver
from outlast.monitoring.telling.quiet import is_quiet
from outlast.project.contract import MonitoringSection
from outlast.storage.ledger import Ledger, open_ledger

NOW = datetime(2013, 7, 2, 12, tzinfo=UTC)
START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    postgres = request.param == "postgresql"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/ledger.db"
    with open_ledger(url) as opened:
        yield opened


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


def said(ledger: Ledger, *columns: str, routes: list[str], severity: str = "ticket", at: datetime = NOW) -> int:
    """Write an alert about each column for each route; how many are new."""
    new = 0
    with ledger.write() as connection:
        for column in columns:
            detail = {"version": 1, "from": START.isoformat(), "column": column}
            message = Message("late", "drift", ("late", column), severity, f"{column} has moved", detail)
            new += say(connection, message, routes, at)
    return new


def send(ledger: Ledger, now: datetime = NOW, quiet: list[str] | None = None, **more):
    more.setdefault("routes", sorted({alert.route for alert in alerts(ledger)}))
    rules = MonitoringSection(quiet=quiet or [], **more)
    return deliver(ledger, now=now, rules=lambda _: rules, hold=lambda: None)


def test_a_webhook_that_is_down_first_gets_every_alert_once(ledger: Ledger, webhook: Webhook) -> None:
    assert said(ledger, "c0", "c1", "c2", routes=[webhook.url]) == 3
    for attempt in (1, 2):
        down = send(ledger)
        assert down.sent == 0
        assert len(down.failures) == 1  # the others are not even tried on a route that failed
        assert "cannot be reached" in down.failures[0]
        assert "secret-path" not in down.failures[0]
        assert sorted(alert.attempts for alert in alerts(ledger, waiting=True)) == [0, 0, attempt]
    webhook.up()
    assert send(ledger).sent == 3
    assert send(ledger).sent == 0
    assert sorted(found["column"] for found in webhook.taken) == ["c0", "c1", "c2"]
    assert sorted(webhook.keys) == sorted(alert.id for alert in alerts(ledger))
    assert alerts(ledger, waiting=True) == []


def test_a_webhook_that_refuses_gets_the_alert_again(ledger: Ledger, webhook: Webhook) -> None:
    said(ledger, "wind", routes=[webhook.url])
    webhook.status = 503
    webhook.up()
    shown = webhook.url.removesuffix("/secret-path")
    assert send(ledger).failures == (f"The webhook at {shown} answered 503: it is tried again",)
    (waiting,) = alerts(ledger, waiting=True)
    assert "503" in waiting.detail["error"]
    webhook.status = 200
    assert send(ledger).sent == 1
    assert len(webhook.taken) == 1
    assert "error" not in alerts(ledger)[0].detail


def test_an_alert_that_another_delivery_took_meanwhile_is_left_to_it(ledger: Ledger, webhook: Webhook) -> None:
    said(ledger, "c0", "c1", "c2", routes=[webhook.url])
    webhook.up()
    others = iter([lambda: send(ledger).sent])

    def overtaken() -> None:
        for other in others:
            assert other() == 3

    rules = MonitoringSection(routes=[webhook.url])
    assert deliver(ledger, now=NOW, rules=lambda _: rules, hold=overtaken).sent == 0
    assert len(webhook.keys) == len(set(webhook.keys)) == 3


def test_a_route_that_fails_does_not_hold_up_the_log(
    ledger: Ledger, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    said(ledger, "wind", severity="page", routes=[webhook.url, "log", "pigeon"])
    with caplog.at_level(logging.WARNING, "outlast.alerts"):
        done = send(ledger)
    assert done.sent == 1
    assert len(done.failures) == 2
    assert [(r.levelname, r.message) for r in caplog.records] == [("ERROR", "[page] wind has moved")]


def test_tickets_wait_for_the_end_of_quiet_hours_and_pages_do_not(ledger: Ledger) -> None:
    said(ledger, "wind", routes=["log"])
    said(ledger, "visib", severity="page", routes=["log"])
    night = send(ledger, quiet=["11:00-13:00"])
    assert (night.sent, night.quiet) == (1, 1)
    assert send(ledger, NOW + timedelta(hours=1), ["11:00-13:00"]).sent == 1


def test_the_same_is_written_once_for_each_route(ledger: Ledger) -> None:
    assert said(ledger, "wind", routes=["log", "log"]) == 1
    assert said(ledger, "wind", routes=["log", "other"]) == 1
    assert said(ledger, "wind", routes=["other"], at=NOW + DAY) == 0
    assert len(alerts(ledger)) == 2


def test_without_a_route_an_alert_is_kept_and_nobody_is_told(ledger: Ledger) -> None:
    said(ledger, "wind", routes=[])
    assert send(ledger).sent == 0
    assert [alert.route for alert in alerts(ledger)] == ["none"]


def test_quiet_hours_that_nobody_can_read_say_how_to_write_them() -> None:
    with pytest.raises(ContractError, match="Example: 22:00-07:00"):
        is_quiet(["at night"], NOW)
