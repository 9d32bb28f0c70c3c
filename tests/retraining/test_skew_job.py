"""The tick's audit of served features: what is due, once, under a lease that it renews while it works."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from answered import ask, rated

from outlast.monitoring.audits import audited
from outlast.monitoring.telling.alerts import alerts
from outlast.project.workspace import Workspace
from outlast.registry import mirror
from outlast.registry.versions import find
from outlast.retraining import jobs
from outlast.retraining.tick import LEASE, Done, tick
from outlast.storage.ledger import leases
from outlast.types import ModelRef

MODEL = "late-orders"
LATER = datetime(2024, 6, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow takes seconds to load and has tests of its own."""
    monkeypatch.setattr(mirror, "mirror", lambda *_: [])


@pytest.fixture
def wrong(orders: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two days of answers by other code than the version's."""
    place, version = rated(orders)
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 36)
    monkeypatch.delenv("RATE")
    return place


def line(done: list[Done]) -> Done:
    return next(one for one in done if one.job == "skew")


def test_a_tick_audits_what_is_due_and_then_nothing(wrong: Workspace) -> None:
    done = line(tick(wrong, now=LATER))
    assert (done.did, done.failed) == (True, False)
    assert done.sentence.startswith("audited 2 days, raised 1 alert; the last: 24 of 24 answers of 2024-06-02 computed")
    (alert,) = [one for one in alerts(wrong.ledger, MODEL) if one.kind == "other-code"]
    assert (alert.severity, alert.detail["owner"]) == ("ticket", "orders@example.com")
    again = line(tick(wrong, now=LATER + timedelta(hours=2)))
    assert (again.did, again.sentence) == (False, "no day to audit")


def test_a_long_audit_renews_its_lease_and_one_that_lost_it_stops(
    wrong: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.retraining.tick.RENEWED", 0.0)
    renewed, whole = list[bool](), jobs.audit_due

    def long(*given: Any, hold: Any, **named: Any) -> Any:
        def held() -> None:
            hold()
            renewed.append(not leases.acquire(wrong.ledger, f"skew/{MODEL}", "another", 1, LATER))

        return whole(*given, hold=held, **named)

    monkeypatch.setattr(jobs, "audit_due", long)
    assert line(tick(wrong, now=LATER)).did
    assert len(renewed) >= 2 * 4
    assert all(renewed)

    def robbed(*given: Any, hold: Any, **named: Any) -> Any:
        leases.release(wrong.ledger, f"skew/{MODEL}", "w")
        assert leases.acquire(wrong.ledger, f"skew/{MODEL}", "another", 10 * LEASE, LATER)
        return whole(*given, hold=hold, **named)

    ask(wrong, find(wrong.ledger, ModelRef(MODEL, 1)), 72)
    monkeypatch.setattr(jobs, "audit_due", robbed)
    stopped = line(tick(wrong, now=LATER + timedelta(hours=13), worker="w"))
    assert stopped.failed
    assert "is another worker's now" in stopped.sentence
    assert len(audited(wrong.ledger, MODEL)) == 2
