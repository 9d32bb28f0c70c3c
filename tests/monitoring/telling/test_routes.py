"""What is sent on each kind of route, through the real protocols."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from mails import Mailbox
from webhook import Webhook

from outlast.monitoring.telling.alerts import Alert
from outlast.monitoring.telling.routes import place, send, trouble

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it where Python has it
NOW = datetime(2013, 7, 2, 12, tzinfo=UTC)
COST = {"per_day": 1250.0, "low": 800.0, "high": 1700.0, "currency": "EUR", "stake": None}
DETAIL = {
    "severity": "page", "version": 3, "incident": "k7m2q", "level": "SEV1", "cause": "source weather",
    "cost_per_day": COST, "owner": None, "runbook": "RUNBOOK.md", "step": "opened",
}  # fmt: skip


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as hook:
        yield hook


def tell(route: str, **more) -> str | None:
    detail = {**DETAIL, "route": route, **more}
    with httpx.Client(timeout=5) as client:
        return send(Alert("a" * 32, "late", "feed-stale", NOW, "weather is old", detail, None, 0), client)


def test_a_mail_says_what_whoever_reads_it_needs_next() -> None:
    box = Mailbox()
    try:
        route = f"mailto://127.0.0.1:{box.port}/ops@example.com?from=outlast@example.com&mode=insecure&format=text"
        assert tell(route) is None
    finally:
        box.close()
    (mail,) = box.taken
    assert mail["subject"] == "[SEV1] late: source weather"
    assert mail["to"] == "ops@example.com"
    body = mail.get_body(("plain",)).get_content()
    for line in ("weather is old", "Costs 1,250 EUR a day (800 to 1,700)", "Owner: nobody", "outlast incident k7m2q"):
        assert line in body
    assert "a" * 32 in body


def test_a_service_that_does_not_take_it_is_said_without_its_address() -> None:
    box = Mailbox(refuses=True)
    try:
        said = tell(f"mailto://127.0.0.1:{box.port}/secret@example.com?from=outlast@example.com&mode=insecure")
    finally:
        box.close()
    assert said == "The route 'mailto://…' did not take it, the log of the tick says why: it is tried again"


@pytest.mark.parametrize(("step", "kind"), [("opened", "failure"), ("closed", "success")])
def test_a_service_of_apprise_is_told(webhook: Webhook, step: str, kind: str) -> None:
    assert tell(webhook.url.replace("http://", "json://"), step=step) is None
    (body,) = webhook.taken
    assert (body["title"], body["type"]) == ("[SEV1] late: source weather", kind)
    assert body["message"].startswith("weather is old")


def test_an_address_may_stand_in_a_variable(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set PAGER where `outlast tick` runs" in str(tell("env:PAGER"))
    monkeypatch.setenv("PAGER", webhook.url)
    assert tell("env:PAGER") is None
    (body,) = webhook.taken
    assert (body["text"], body["incident"]) == ("[page] weather is old", "k7m2q")
    assert webhook.keys == ["a" * 32]
    assert "secret-path" not in str(body)


@pytest.mark.parametrize("route", ["pigeon", "pigeon://loft", "mailto://", "slack://half"])
def test_a_route_that_nobody_knows_is_said_also_before_it_is_needed(route: str) -> None:
    assert "is not known: write log, env:NAME" in str(tell(route))
    assert trouble(route) == trouble(route, here=False) == tell(route)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("log", None),
        ("https://hooks.example.com/secret", None),
        ("mailto://127.0.0.1:25/ops@example.com?from=outlast@example.com", None),
        ("https:///secret", "The route 'https://…' names no host that can be read: write https://HOST/…"),
        ("http://[::1/secret", "The route 'http://…' names no host that can be read: write https://HOST/…"),
    ],
)
def test_what_shows_of_a_route_before_it_is_needed_is_said_without_its_address(route: str, said: str | None) -> None:
    assert trouble(route) == said


def test_a_variable_is_looked_at_where_ticks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set PAGER where `outlast tick` runs" in str(trouble("env:PAGER"))
    assert trouble("env:PAGER", here=False) is None
    monkeypatch.setenv("PAGER", "pigeon://loft")
    assert "The route 'env:PAGER' is not known" in str(trouble("env:PAGER"))


def test_a_webhook_whose_address_cannot_be_read_does_not_stop_the_others() -> None:
    assert "cannot be reached" in str(tell("http://[::1/secret"))


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        ("log", "log"),
        ("env:PAGER", "env:PAGER"),
        ("https://user:pass@hooks.example.com:8443/secret?token=x", "https://hooks.example.com:8443"),
        ("http://[::1]:8080/secret", "http://[::1]:8080"),
        ("http://token@[::1]/secret", "http://[::1]"),
        ("http://hooks.example.com:secret/", "http://…"),
        ("slack://TokenA/TokenB/TokenC/#ops", "slack://…"),
        ("mailtos://user:secret@example.com", "mailtos://…"),
        ("pagerduty://key@integration", "pagerduty://…"),
    ],
)
def test_no_secret_of_a_route_is_shown(route: str, shown: str) -> None:
    assert place(route) == shown


def test_a_command_and_a_quiet_tick_do_not_load_apprise() -> None:
    source = (Path(__file__).parents[3] / "src/outlast/monitoring/telling/routes.py").read_text("utf-8")
    assert "\nimport apprise" not in source
