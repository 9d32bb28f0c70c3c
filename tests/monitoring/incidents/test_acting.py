"""What people and time do with incidents."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from test_raising import CONTRACT, DAY, DRIFT, EMPTY, HOUR, LOSS, START, WHO, found

from outlast.errors import Conflict, NotFound, OutlastError, RequestError
from outlast.monitoring.incidents.acceptance import accepted
from outlast.monitoring.incidents.acting import accept, acknowledge, assign, resolve, snooze
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents, named, timeline
from outlast.monitoring.incidents.tending import tend
from outlast.monitoring.telling.alerts import alerts
from outlast.project.contract import Contract
from outlast.registry import audit
from outlast.storage.ledger import Ledger, open_ledger
from outlast.storage.ledger import schema as tables

THEN = START + DAY + 2 * HOUR
"""Two hours after the first day's findings."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


def one(ledger: Ledger) -> Incident:
    return incidents(ledger)[0]


def tended(ledger: Ledger, now, **monitoring) -> str:
    """What time has done by now, under a contract with these rules."""
    owner = monitoring.pop("owner", "ops")
    contract = Contract.model_validate({"model": {"owner": owner}, "monitoring": {"routes": ["log"], **monitoring}})
    return tend(ledger, lambda _: contract, now=now).sentence


def test_every_action_is_a_line_of_the_timeline_and_an_entry_of_the_trail(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    acknowledge(ledger, one(ledger), at=THEN, **WHO)
    assert one(ledger).state == "acknowledged"
    assign(ledger, one(ledger), "bob@example.com", at=THEN, **WHO)
    assert one(ledger).owner == "bob@example.com"
    snooze(ledger, one(ledger), 4 * HOUR, at=THEN, **WHO)
    assert (one(ledger).state, one(ledger).snoozed_until) == ("snoozed", THEN + 4 * HOUR)
    resolve(ledger, one(ledger), at=THEN, **WHO)
    assert (one(ledger).state, one(ledger).closed_at) == ("resolved", THEN)
    did = ["acknowledge", "assign", "snooze", "resolve"]
    lines = timeline(ledger, one(ledger).id)
    assert [(line.by, line.action) for line in lines] == [("outlast", "opened"), *(("ana", name) for name in did)]
    assert all(line.sentence.endswith(": seen") for line in lines[1:])
    entries = audit.entries(ledger, object="late")
    assert [entry.action for entry in entries] == [f"{name} incident" for name in did]
    assert {entry.detail["incident"] for entry in entries} == {one(ledger).id}
    assert audit.examine(ledger).broken is None
    with pytest.raises(Conflict, match="is closed, it was resolved"):
        acknowledge(ledger, one(ledger), at=THEN, **WHO)


def test_accepting_needs_a_reason_and_keeps_what_is_normal_from_when_on(ledger: Ledger) -> None:
    found(ledger, DRIFT)
    with pytest.raises(RequestError, match="without a reason"):
        accept(ledger, one(ledger), by="ana", reason=" ", at=THEN)
    accept(ledger, one(ledger), by="ana", reason="new sensors", at=THEN)
    with ledger.read() as connection:
        (kept,) = accepted(connection, "late")
    assert (kept.streams, kept.since, kept.until, kept.by, kept.reason, kept.incident) == (
        (("feature-drift", "temp"),), START, None, "ana", "new sensors", one(ledger).id,
    )  # fmt: skip
    assert audit.entries(ledger, object="late")[-1].detail["streams"] == ["feature-drift temp"]
    assert audit.examine(ledger).broken is None


@pytest.mark.parametrize("change", [{"reason": "none"}, {"by": "eve"}, {"detail": {}}, None])
def test_what_is_normal_cannot_be_changed_unseen(ledger: Ledger, change) -> None:
    found(ledger, DRIFT)
    accept(ledger, one(ledger), by="ana", reason="new sensors", at=THEN)
    with ledger.write() as connection:
        if change is None:
            connection.execute(sa.delete(tables.accepted))
        elif "detail" in change:
            kept = connection.scalar(sa.select(tables.accepted.c.detail))
            connection.execute(sa.update(tables.accepted).values(detail={**kept, "streams": [["loss", None]]}))
        else:
            connection.execute(sa.update(tables.accepted).values(**change))
    assert "accepted as normal" in audit.examine(ledger).broken.sentence


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda ledger, it: assign(ledger, it, " ", at=THEN, **WHO), "is nobody to assign"),
        (lambda ledger, it: snooze(ledger, it, timedelta(days=60), at=THEN, **WHO), "for up to 30d, not for 60d"),
        (lambda ledger, it: snooze(ledger, it, timedelta(0), at=THEN, **WHO), "not for 0s"),
    ],
)
def test_what_cannot_be_done_changes_nothing(ledger: Ledger, act, said: str) -> None:
    found(ledger, EMPTY)
    with pytest.raises(OutlastError, match=said):
        act(ledger, one(ledger))
    assert len(timeline(ledger, one(ledger).id)) == 1


def test_whoever_heard_of_it_hears_that_it_is_over(ledger: Ledger) -> None:
    found(ledger, EMPTY, contract=Contract.model_validate({"monitoring": {"routes": ["log", "https://h.example"]}}))
    resolve(ledger, one(ledger), at=THEN, **WHO)
    over = [alert for alert in alerts(ledger) if alert.detail["step"] == "closed"]
    assert {alert.route: alert.severity for alert in over} == {"https://h.example": "ticket", "log": "ticket"}
    assert "resolved by ana: seen" in over[0].sentence


def test_an_incident_is_named_by_how_its_id_begins(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="nothing was found yet"):
        named(ledger, "abc")
    found(ledger, EMPTY)
    found(ledger, LOSS, version=2, day=9)
    first, second = incidents(ledger)
    assert named(ledger, first.id[:3].upper()).id == first.id
    with pytest.raises(NotFound, match=f"did you mean '{first.id}'"):
        named(ledger, first.id[:-1] + "u")
    with pytest.raises(NotFound, match="There is no incident"):
        named(ledger, second.id, sees=lambda _: False)


def test_a_page_that_nobody_acknowledges_is_escalated_once(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    rules = {"escalate": {"after": "1h", "to": ["https://boss.example"]}}
    told_at = one(ledger).told_at
    assert tended(ledger, told_at + timedelta(minutes=59), **rules) == ""
    assert tended(ledger, told_at + HOUR, **rules) == "1 incident escalated"
    assert tended(ledger, told_at + 5 * HOUR, **rules) == ""
    last = alerts(ledger)[-1]
    assert (last.route, last.severity, last.detail["step"]) == ("https://boss.example", "page", "escalated")
    assert "nobody has acknowledged it within 1h" in last.sentence


def test_drift_and_loss_take_a_week_to_be_calm(ledger: Ledger) -> None:
    found(ledger, LOSS)
    assert tended(ledger, one(ledger).seen_at + 6 * DAY) == ""
    assert tended(ledger, one(ledger).seen_at + 7 * DAY) == "1 incident calm since days"


@pytest.mark.parametrize("finding", [DRIFT, LOSS])
def test_who_looks_at_it_or_a_ticket_is_not_escalated(ledger: Ledger, finding) -> None:
    found(ledger, finding)
    if finding is LOSS:
        acknowledge(ledger, one(ledger), at=THEN, **WHO)
    assert tended(ledger, THEN + DAY, escalate={"after": "1h", "to": ["log"]}) == ""


def test_without_an_owner_others_are_told_at_once(ledger: Ledger) -> None:
    found(ledger, DRIFT, contract=Contract.model_validate({"monitoring": {"routes": []}}))
    assert one(ledger).owner is None
    assert tended(ledger, one(ledger).told_at, owner=None, escalate={"to": ["log"]}) == "1 incident escalated"
    (last,) = [alert for alert in alerts(ledger) if alert.detail["step"] == "escalated"]
    assert "the model has no owner" in last.sentence


def test_a_snooze_ends_and_what_is_still_there_is_said_again(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    snooze(ledger, one(ledger), DAY, at=THEN, **WHO)
    assert tended(ledger, THEN + DAY - HOUR) == ""
    found(ledger, EMPTY, day=1)
    assert tended(ledger, THEN + DAY) == "1 incident back from a snooze"
    assert (one(ledger).state, alerts(ledger)[-1].detail["step"], len(alerts(ledger))) == ("open", "woke", 2)
    assert tended(ledger, THEN + DAY) == ""


def test_what_is_not_found_any_more_is_proposed_and_never_resolved_by_itself(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    seen = one(ledger).seen_at
    assert tended(ledger, seen + timedelta(hours=47)) == ""
    assert tended(ledger, seen + 2 * DAY) == "1 incident calm since days"
    assert (one(ledger).state, one(ledger).calm_since) == ("open", START + DAY)
    assert tended(ledger, seen + 90 * DAY) == ""
    found(ledger, EMPTY, day=4)
    assert one(ledger).calm_since is None
    assert [line.action for line in timeline(ledger, one(ledger).id)] == ["opened", "calm", "again"]


def test_a_model_that_is_looked_at_seldom_is_waited_for(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    assert tended(ledger, one(ledger).seen_at + 13 * DAY, cadence="7d") == ""
    assert tended(ledger, one(ledger).seen_at + 14 * DAY, cadence="7d") != ""


def test_incidents_of_every_day_since_can_be_asked_for(ledger: Ledger) -> None:
    found(ledger, EMPTY)
    resolve(ledger, one(ledger), at=THEN, **WHO)
    assert incidents(ledger, since=THEN + HOUR) == []
    assert len(incidents(ledger, since=THEN - HOUR)) == 1
    with ledger.read() as connection:
        assert connection.scalar(sa.text("select count(*) from incidents")) == 1
    assert CONTRACT.model.owner == "ops"
