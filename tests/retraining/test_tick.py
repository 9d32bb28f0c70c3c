"""One tick: idempotent, leased, whole after any kill."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa
from ticking import counted
from watched import DAY, HOUR, MODEL, START, made, predict, through_the_day
from webhook import Webhook

from outlast.errors import StorageError
from outlast.monitoring.counting.windows import pending, stored
from outlast.monitoring.incidents.reading import incidents, timeline
from outlast.monitoring.judge import Severity
from outlast.monitoring.report import report
from outlast.monitoring.telling.alerts import Message, alerts, say
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import mirror
from outlast.registry.contracts import apply
from outlast.retraining import jobs
from outlast.retraining.failing import failing
from outlast.retraining.tick import LEASE, Done, tick
from outlast.storage.ledger import leases, open_ledger
from outlast.storage.ledger import schema as tables

LATER = START + 10 * DAY
SCRIPT = Path(__file__).with_name("ticking.py")


@pytest.fixture(autouse=True)
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow takes seconds to load and has tests of its own."""
    monkeypatch.setattr(mirror, "mirror", lambda *_: [])


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as hook:
        yield hook


def troubled(folder: Path, routes: list[str], url: str | None = None) -> Workspace:
    """Two days: a quiet one, and one on which a column is gone and the truth has turned."""
    workspace, origin = made(folder, {"monitoring": {"cadence": "6h", "routes": routes}}, url=url)
    predict(workspace, origin, through_the_day(400), seed=2)
    predict(workspace, origin, through_the_day(4000, START + DAY), seed=3, labels="turned", empty=True)
    return workspace


MOMENTS = ("opened_at", "changed_at", "seen_at", "told_at")


def state(workspace: Workspace) -> dict[str, Any]:
    """Everything a tick leaves behind, without the moments at which it did so."""
    kept: dict[str, Any] = {"tables": sorted(workspace.tables.names())}
    for name in kept["tables"]:
        kept[name] = workspace.tables.scan(name).collect().sort("at", "prediction_id").drop("segment").to_dicts()
    kept["windows"] = [(w.starts_at, w.counts.to_json(), w.findings) for w in stored(workspace.ledger, MODEL)]
    kept["pending"] = pending(workspace.ledger, MODEL)
    found = incidents(workspace.ledger)
    kept["incidents"] = [replace(one, **dict.fromkeys(MOMENTS, START)) for one in found]
    kept["timelines"] = [[line.sentence for line in timeline(workspace.ledger, one.id)] for one in found]
    kept["alerts"] = sorted((a.id, a.kind, a.sentence, a.delivered_at is None) for a in alerts(workspace.ledger))
    return kept


def kill(workspace: Workspace, now: datetime, *, fatal: int, when: str) -> None:
    command = [sys.executable, str(SCRIPT), str(workspace.root), now.isoformat(), "w", str(fatal), when]
    path = os.pathsep.join(sys.path)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_tick_counts_judges_and_tells(tmp_path: Path, webhook: Webhook) -> None:
    workspace = troubled(tmp_path, ["log", webhook.url])
    done = tick(workspace, now=LATER)
    assert not any(line.failed for line in done), done
    found = {line.job: line for line in done}
    assert found["watch"].sentence.startswith("counted 8 windows, judged 8")
    assert found["watch"].did
    (incident,) = incidents(workspace.ledger, MODEL)  # the loss follows from the column that is gone
    assert (incident.severity, incident.cause) == ("SEV1", "column wind")
    assert {one.kind for one in incident.found} == {"empty-column", "loss"}
    assert {alert.kind: alert.severity for alert in alerts(workspace.ledger)} == {"empty-column": "page"}
    (body,) = webhook.taken
    assert (body["kind"], body["incident"], body["level"]) == ("empty-column", incident.id, "SEV1")
    assert {body["owner"] for body in webhook.taken} == {"ops@example.com"}
    assert all(alert.delivered_at for alert in alerts(workspace.ledger))
    told = report(workspace, MODEL)
    assert told.total is not None
    assert told.total.rows == 4400
    assert told.total.coverage.value == 1.0
    assert "secret-path" not in str(told.to_json())


def test_a_second_tick_does_nothing(tmp_path: Path, webhook: Webhook) -> None:
    workspace = troubled(tmp_path, [webhook.url])
    tick(workspace, now=LATER)
    before, told = state(workspace), list(webhook.keys)
    done = tick(workspace, now=LATER + HOUR)
    assert [line.job for line in done if line.did or line.failed] == []
    assert (state(workspace), webhook.keys) == (before, told)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_a_tick_killed_anywhere_ends_as_an_undisturbed_one(tmp_path: Path, webhook: Webhook, kills: int) -> None:
    template = troubled(tmp_path / "template", [webhook.url])
    template.ledger.dispose()
    undisturbed = Workspace(shutil.copytree(tmp_path / "template", tmp_path / "undisturbed"))
    with counted() as written:
        done = tick(undisturbed, now=LATER, worker="w")
    assert not any(line.failed for line in done), done
    writes, expected = len(written), state(undisturbed)
    sent = sorted(webhook.keys)
    assert len(sent) == len(set(sent)) == len(expected["alerts"])
    assert expected["pending"] == []
    steps = sorted({round(1 + part * (writes - 1) / (kills - 1)) for part in range(kills)})
    for turn, step in enumerate(steps):
        when = ("before", "within", "after")[turn % 3]
        webhook.keys.clear()
        workspace = Workspace(shutil.copytree(tmp_path / "template", tmp_path / f"killed-{step}"))
        kill(workspace, LATER, fatal=step, when=when)
        after_lease = LATER + timedelta(seconds=LEASE + 60)
        done = tick(workspace, now=after_lease, worker="another")
        assert not any(line.failed or "another worker" in line.sentence for line in done), done
        assert state(workspace) == expected, (step, when)
        # A request cut off between the answer and the note of it is sent again, under the key it had.
        assert sorted(set(webhook.keys)) == sent, (step, when)
        assert len(webhook.keys) <= len(sent) + 1, (step, when)
        workspace.ledger.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_ticks_at_once_do_no_job_twice(
    tmp_path: Path, webhook: Webhook, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    workspace = troubled(tmp_path, [webhook.url], url)
    running: dict[tuple[str, str], int] = {}
    most: list[int] = []

    def watched(name: str, job: jobs.Job) -> jobs.Job:
        def alone(shared: jobs.Shared, model: str, hold: Any) -> tuple[bool, str]:
            running[name, model] = running.get((name, model), 0) + 1
            most.append(running[name, model])
            try:
                return job(shared, model, hold)
            finally:
                running[name, model] -= 1

        return alone

    for group in (jobs.FIRST, jobs.PER_MODEL, jobs.LAST, jobs.LOOP):
        for name, job in list(group.items()):
            monkeypatch.setitem(group, name, watched(name, job))
    start, lines = Barrier(2), []

    def one() -> None:
        mine = Workspace(workspace.root, settings=workspace.settings)
        start.wait()
        lines.extend(tick(mine, now=LATER))
        mine.ledger.dispose()

    threads = [Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert not any(line.failed for line in lines), lines
    tick(workspace, now=LATER + HOUR)  # what one had to leave to the other is done by now
    assert len(webhook.keys) == len(set(webhook.keys)) == len(alerts(workspace.ledger)) == 1
    assert sum(w.counts.rows for w in stored(workspace.ledger, MODEL)) == 4400
    workspace.ledger.dispose()


def test_a_job_that_somebody_holds_is_left_to_them(tmp_path: Path) -> None:
    workspace = troubled(tmp_path, ["log"])
    assert leases.acquire(workspace.ledger, f"watch/{MODEL}", "somebody", 60, LATER)
    (line,) = [line for line in tick(workspace, now=LATER) if line.job == "watch"]
    assert (line.did, line.failed) == (False, False)
    assert line.sentence == "another worker is at it, or was killed within the last minute"
    assert stored(workspace.ledger, MODEL) == []
    (line,) = [line for line in tick(workspace, now=LATER + HOUR) if line.job == "watch"]
    assert line.did


def test_a_job_that_lost_its_lease_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.retraining.tick.RENEWED", 0.0)
    workspace = troubled(tmp_path, ["log"])

    def robbed(shared: jobs.Shared, model: str, hold: Any) -> tuple[bool, str]:
        with workspace.ledger.write() as connection:
            connection.execute(sa.update(tables.leases).values(holder="somebody"))
        hold()
        return True, "went on all the same"

    monkeypatch.setitem(jobs.PER_MODEL, "watch", robbed)
    (line,) = [line for line in tick(workspace, now=LATER) if line.job == "watch"]
    assert line.failed
    assert "is another worker's now" in line.sentence


def test_one_job_that_fails_is_reported_and_does_not_stop_the_others(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = troubled(tmp_path, [webhook.url])

    def broken(*_: Any) -> tuple[bool, str]:
        raise StorageError("The disk is gone: put it back")

    def surprised(*_: Any) -> tuple[bool, str]:
        raise KeyError("a bug")

    monkeypatch.setitem(jobs.FIRST, "seal", broken)
    monkeypatch.setitem(jobs.PER_MODEL, "mirror", surprised)
    found = {line.job: line for line in tick(workspace, now=LATER)}
    assert (found["seal"].failed, found["seal"].sentence) == (True, "The disk is gone: put it back")
    assert found["mirror"].failed
    assert not found["watch"].failed
    tick(workspace, now=LATER + HOUR / 2)
    other, seal = failing(workspace.ledger)
    assert (seal.job, seal.model, seal.since, seal.sentence) == ("seal", None, LATER, "The disk is gone: put it back")
    assert (other.job, other.model, "a bug" in other.sentence) == ("mirror", "late", True)
    monkeypatch.undo()
    monkeypatch.setattr(mirror, "mirror", lambda *_: [])
    tick(workspace, now=LATER + HOUR)
    assert failing(workspace.ledger) == []
    assert len(webhook.keys) == 1  # what was not sealed is counted once it is
    with open_ledger(workspace.ledger_url) as ledger, ledger.read() as connection:
        assert connection.execute(sa.select(tables.leases)).all() == []


def test_a_webhook_that_is_down_fails_the_tick_until_it_is_up(tmp_path: Path) -> None:
    hook = Webhook()
    workspace = troubled(tmp_path, [hook.url])
    try:
        (line,) = [line for line in tick(workspace, now=LATER) if line.job == "alerts"]
        assert line.failed
        assert "cannot be reached" in line.sentence
        hook.up()
        (line,) = [line for line in tick(workspace, now=LATER + HOUR) if line.job == "alerts"]
        assert (line.did, line.sentence) == (True, "delivered 1 alert")
        assert len(hook.keys) == len(set(hook.keys)) == 1
    finally:
        hook.close()


def test_a_cadence_of_no_time_that_an_earlier_release_took_is_one_sentence(tmp_path: Path) -> None:
    workspace, _ = made(tmp_path, {"monitoring": {"cadence": "0s"}})
    (line,) = [line for line in tick(workspace, now=LATER) if line.job == "watch"]
    assert line.failed
    assert line.sentence == (
        "The contract in force for 'late' has a 'monitoring.cadence' of 0s, and no window is that short: say 1m or "
        "more in outlast.toml, then `outlast apply`"
    )


def alerts_line(workspace: Workspace, now: datetime) -> Done:
    (line,) = [line for line in tick(workspace, now=now) if line.job == "alerts"]
    return line


def said(workspace: Workspace, severity: Severity, route: str) -> None:
    with workspace.ledger.write() as connection:
        say(connection, Message(MODEL, "drift", ("x",), severity, "x has moved", {"version": 1}), [route], LATER)


def test_a_page_for_a_dead_route_reaches_the_one_that_an_apply_put_in_its_place(
    tmp_path: Path, webhook: Webhook
) -> None:
    workspace = troubled(tmp_path, ["http://127.0.0.1:9/secret-path"])
    assert alerts_line(workspace, LATER).failed
    live = Contract.model_validate({"monitoring": {"cadence": "6h", "routes": [webhook.url]}})
    apply(workspace.ledger, MODEL, live, by="ada", at=LATER)
    line = alerts_line(workspace, LATER + HOUR)
    shown = webhook.url.removesuffix("/secret-path")
    assert (line.did, line.failed) == (True, False)
    assert line.sentence == (
        f"delivered 1 alert; 1 alert of late goes to {shown}, for http://127.0.0.1:9 is none of its routes any more"
    )
    assert len(webhook.keys) == 1
    assert alerts_line(workspace, LATER + 2 * HOUR).sentence == "no alert to deliver"


def test_quiet_hours_that_an_earlier_release_took_are_said_and_the_page_goes_out(
    tmp_path: Path, webhook: Webhook
) -> None:
    workspace = troubled(tmp_path, [webhook.url])
    said(workspace, "ticket", webhook.url)
    kept = {"monitoring": {"cadence": "6h", "routes": [webhook.url], "quiet": ["night"]}}
    apply(workspace.ledger, MODEL, Contract.model_validate(kept), by="ada", at=LATER)
    line = alerts_line(workspace, LATER)
    assert line.failed
    assert line.sentence.startswith("2 alerts delivered; the contract of late cannot be used, so its alerts wait for")
    assert "'monitoring.quiet' has 'night'" in line.sentence
    assert len(webhook.keys) == 2


def test_a_live_contract_that_cannot_be_read_is_said_and_the_page_goes_out(tmp_path: Path, webhook: Webhook) -> None:
    workspace = troubled(tmp_path, [webhook.url])
    tick(workspace, now=LATER - 2 * HOUR)
    sent = len(webhook.keys)
    said(workspace, "page", webhook.url)
    with workspace.ledger.write() as connection:
        connection.execute(sa.update(tables.models).values(live_contract={"monitoring": {"routes": 7}}))
    line = alerts_line(workspace, LATER)
    assert line.failed
    assert line.sentence.startswith("1 alert delivered; the contract of late cannot be used, so its alerts wait for")
    assert line.sentence.count("the contract of late cannot be used") == 1  # said of its incident and of its alert
    assert len(webhook.keys) == sent + 1
