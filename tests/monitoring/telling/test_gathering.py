"""One message instead of a flood, with nothing lost and nothing sent twice."""

from datetime import timedelta

import pytest
from test_delivery import DAY, NOW, ledger, said, send, webhook  # noqa: F401
from webhook import Webhook

from outlast.monitoring.telling import delivery
from outlast.monitoring.telling.alerts import alerts
from outlast.storage.ledger import Ledger

HOUR = timedelta(hours=1)
MANY = [f"c{number}" for number in range(12)]


@pytest.fixture(autouse=True)
def up(webhook: Webhook) -> None:  # noqa: F811
    webhook.up()


def test_many_tickets_at_once_are_one_message(ledger: Ledger, webhook: Webhook) -> None:  # noqa: F811
    said(ledger, *MANY, routes=[webhook.url])
    assert (send(ledger).sent, send(ledger).sent) == (1, 0)
    (body,) = webhook.taken
    assert body["kind"] == "digest"
    assert body["text"].startswith("[ticket] 12 tickets about late:\n- c")
    assert alerts(ledger, waiting=True) == []
    assert len([alert for alert in alerts(ledger) if alert.detail.get("gathered") == webhook.keys[0]]) == 12


def test_a_digest_comes_at_the_end_of_its_day_and_pages_do_not_wait_for_it(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
) -> None:
    said(ledger, "a", "b", routes=[webhook.url])
    said(ledger, "c", routes=[webhook.url], severity="page")
    first = send(ledger, digest="1d")
    assert (first.sent, first.later) == (1, 2)
    said(ledger, "d", routes=[webhook.url], at=NOW + 5 * HOUR)
    assert send(ledger, NOW + 6 * HOUR, digest="1d").later == 3
    assert send(ledger, NOW + 12 * HOUR, ["22:00-07:00"], digest="1d").quiet == 3
    assert send(ledger, NOW + 19 * HOUR, ["22:00-07:00"], digest="1d").sent == 1
    assert [body["text"].split(":")[0] for body in webhook.taken] == [
        "[page] c has moved",
        "[ticket] 3 tickets about late",
    ]


def test_pages_beyond_the_fifth_of_an_hour_are_gathered_every_quarter(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
) -> None:
    said(ledger, *MANY[:4], routes=[webhook.url], severity="page")
    assert send(ledger).sent == 4
    said(ledger, *MANY[4:9], routes=[webhook.url], severity="page")
    assert send(ledger, NOW + timedelta(minutes=1)).sent == 2  # the fifth, and four together
    said(ledger, *MANY[9:], routes=[webhook.url], severity="page")
    assert send(ledger, NOW + timedelta(minutes=2)).later == 3
    assert send(ledger, NOW + timedelta(minutes=16)).sent == 1
    assert [body["kind"] for body in webhook.taken] == ["drift"] * 5 + ["digest"] * 2
    said(ledger, "e", routes=[webhook.url], severity="page", at=NOW + DAY)
    assert send(ledger, NOW + DAY).sent == 1
    assert webhook.taken[-1]["kind"] == "drift"


@pytest.mark.parametrize("step", ["_claim", "send", "_note"])
def test_a_kill_in_the_middle_loses_none_and_sends_a_second_time_under_the_same_key(
    ledger: Ledger,  # noqa: F811
    webhook: Webhook,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    said(ledger, *MANY, routes=[webhook.url])
    with monkeypatch.context() as patch:
        patch.setattr(delivery, step, killed)
        with pytest.raises(Killed):
            send(ledger)
    assert send(ledger).sent == 1
    assert alerts(ledger, waiting=True) == []
    assert len(set(webhook.keys)) == 1
    assert len(webhook.keys) == (2 if step == "_note" else 1)


def test_a_digest_that_a_webhook_refuses_is_sent_again_as_it_was(ledger: Ledger, webhook: Webhook) -> None:  # noqa: F811
    said(ledger, *MANY, routes=[webhook.url])
    webhook.status = 500
    assert len(send(ledger).failures) == 1
    said(ledger, "later", routes=[webhook.url], at=NOW + HOUR)
    webhook.status = 200
    assert send(ledger, NOW + HOUR).sent == 2
    assert [body["kind"] for body in webhook.taken] == ["digest", "drift"]
    assert len(webhook.taken[0]["members"]) == 12
