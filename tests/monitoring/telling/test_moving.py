"""What waits for a route that the contract no longer names goes to those it names now, once each."""

import logging
from datetime import timedelta

import pytest
from test_delivery import NOW, ledger, said, send, webhook  # noqa: F401
from webhook import Webhook

from outlast.errors import ContractError, OutlastError, StorageError
from outlast.monitoring.telling.alerts import Alert, Message, alerts, say
from outlast.monitoring.telling.delivery import Delivered, deliver
from outlast.project.contract import MonitoringSection
from outlast.storage.ledger import Ledger

MANY = [f"c{number}" for number in range(8)]
DEAD = "http://127.0.0.1:9/secret-path"
MINUTE = timedelta(minutes=1)


def routed(ledger: Ledger) -> dict[str, Alert]:  # noqa: F811
    """The only alert of each route."""
    found = {alert.route: alert for alert in alerts(ledger)}
    assert len(found) == len(alerts(ledger))
    return found


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it where Python has it
@pytest.mark.parametrize("gone", [DEAD, "htp://x", "env:NOBODY_SET_THIS"])
def test_a_page_for_a_route_that_is_gone_goes_to_the_one_that_took_its_place(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
    gone: str,
) -> None:
    webhook.up()
    said(ledger, "wind", severity="page", routes=[gone])
    assert len(send(ledger).failures) == 1
    done = send(ledger, routes=[webhook.url])
    assert (done.sent, done.failures) == (1, ())
    (says,) = done.moved
    assert says.startswith("1 alert of late goes to http://127.0.0.1:")
    assert says.endswith("is none of its routes any more")
    assert "secret-path" not in says
    assert send(ledger, routes=[webhook.url]) == Delivered(0, 0, 0, ())
    assert [body["column"] for body in webhook.taken] == ["wind"]
    found = routed(ledger)
    assert found[gone].detail["moved"] == [webhook.url]
    assert found[gone].delivered_at == NOW
    assert webhook.keys == [found[webhook.url].id]


def test_a_route_that_has_it_already_is_not_told_again(ledger: Ledger, webhook: Webhook) -> None:  # noqa: F811
    webhook.up()
    said(ledger, "wind", severity="page", routes=[DEAD, webhook.url])
    first = send(ledger)
    assert (first.sent, len(first.failures)) == (1, 1)
    done = send(ledger, routes=[webhook.url, "log"])
    assert (done.sent, done.failures) == (1, ())
    assert len(webhook.keys) == 1
    assert set(routed(ledger)) == {DEAD, webhook.url, "log"}
    assert said(ledger, "wind", severity="page", routes=[DEAD, webhook.url]) == 0


def test_two_routes_that_are_gone_are_one_message_to_the_third(ledger: Ledger, webhook: Webhook) -> None:  # noqa: F811
    webhook.up()
    said(ledger, "wind", severity="page", routes=[DEAD, "htp://x"])
    done = send(ledger, routes=[webhook.url])
    assert (done.sent, len(done.moved)) == (1, 2)
    assert len(webhook.keys) == 1


def test_what_comes_back_to_its_first_route_keeps_its_key(ledger: Ledger, webhook: Webhook) -> None:  # noqa: F811
    said(ledger, *MANY, routes=[webhook.url])
    assert len(send(ledger).failures) == 1  # all of them gathered, and the route is down
    assert len(send(ledger, routes=[DEAD]).failures) == 1
    assert {alert.route for alert in alerts(ledger, waiting=True)} == {DEAD}
    webhook.up()
    assert send(ledger, NOW + MINUTE, routes=[webhook.url]).sent == 1
    assert alerts(ledger, waiting=True) == []
    (body,) = webhook.taken
    assert body["text"].startswith("[ticket] 8 tickets about late")
    assert len(body["members"]) == len(set(body["members"])) == 8
    of_columns = [alert for alert in alerts(ledger) if alert.route == webhook.url and alert.kind == "drift"]
    assert sorted(body["members"]) == sorted(alert.id for alert in of_columns)


def test_what_was_escalated_goes_to_those_it_is_escalated_to(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    webhook.up()
    with ledger.write() as connection:
        detail = {"version": 1, "step": "escalated"}
        say(connection, Message("late", "drift", ("x", "escalated"), "page", "nobody looks", detail), [DEAD], NOW)
    with caplog.at_level(logging.WARNING, "outlast.alerts"):
        assert send(ledger, routes=["log"], escalate={"to": [webhook.url]}).sent == 1
    assert [body["text"] for body in webhook.taken] == ["[page] nobody looks"]
    assert caplog.records == []


def test_what_nobody_is_named_for_is_kept_and_goes_to_the_next_who_is(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
) -> None:
    webhook.up()
    said(ledger, "wind", severity="page", routes=[DEAD])
    for _ in range(2):
        done = send(ledger, routes=[])
        assert (done.sent, done.stranded, done.failures) == (0, 1, ())
    assert send(ledger, routes=[webhook.url]).sent == 1


def test_a_kill_while_it_is_moved_leaves_it_where_it_was(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    said(ledger, "wind", severity="page", routes=[DEAD])
    with monkeypatch.context() as patch:
        patch.setattr("outlast.monitoring.telling.moving.digest_of", killed)
        with pytest.raises(Killed):
            send(ledger, routes=[webhook.url])
    assert [alert.route for alert in alerts(ledger, waiting=True)] == [DEAD]
    webhook.up()
    assert send(ledger, routes=[webhook.url]).sent == 1
    assert len(webhook.keys) == 1


@pytest.mark.parametrize(
    "error", [ContractError("outlast.toml: no."), StorageError("The live contract of model 'late' has keys")]
)
@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_a_contract_that_cannot_be_used_stops_no_alert_of_anybody(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
    error: OutlastError,
    severity: str,
) -> None:
    webhook.up()
    said(ledger, "wind", severity=severity, routes=[webhook.url])
    with ledger.write() as connection:
        say(connection, Message("early", "drift", ("e",), "ticket", "e has moved", {"version": 1}), [webhook.url], NOW)

    def rules(model: str) -> MonitoringSection:
        if model == "late":
            raise error
        return MonitoringSection(routes=[webhook.url])

    done = deliver(ledger, now=NOW, rules=rules, hold=lambda: None)
    assert (done.sent, done.failures) == (2, ())
    assert done.unread == (f"the contract of late cannot be used, so its alerts wait for nothing: {error.sentence}",)
    assert sorted(body["model"] for body in webhook.taken) == ["early", "late"]


def test_quiet_hours_that_nobody_can_read_hold_up_nothing(ledger: Ledger, webhook: Webhook) -> None:  # noqa: F811
    webhook.up()
    said(ledger, "a", routes=[webhook.url])
    said(ledger, "b", routes=[webhook.url], severity="page")
    done = send(ledger, quiet=["night"])
    assert (done.sent, done.quiet) == (2, 0)
    assert "'monitoring.quiet' has 'night'" in done.unread[0]


def test_a_page_that_was_moved_away_takes_no_room_of_its_old_route(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
) -> None:
    """Five pages an hour are told one by one: those that went elsewhere were not told there."""
    said(ledger, *MANY[:5], severity="page", routes=[webhook.url])
    assert len(send(ledger, routes=[DEAD]).failures) == 1
    webhook.up()
    said(ledger, "wind", severity="page", routes=[webhook.url])
    assert send(ledger, routes=[webhook.url, DEAD]).sent == 1
    assert [body["kind"] for body in webhook.taken] == ["drift"]
