"""doctor: what is well, what is not, and how each fault is mended."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlast.monitoring.telling.alerts import Message, say
from outlast.project.workspace import Workspace
from outlast.registry.versions import versions
from outlast.retraining.failing import fails, works
from outlast.storage.fresh import Fact
from outlast.storage.ledger import leases
from outlast.types import micros, now


def found(run) -> dict[str, dict[str, object]]:
    return {one["what"]: one for one in run("doctor", "--json").json}


def test_a_sound_workspace_is_well(run, folder: Path) -> None:
    done = run("doctor")
    assert done.code == 0, done.out
    assert "BAD" not in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    well = found(run)
    assert all(one["ok"] for one in well.values())
    assert "polars" in str(well["libraries"]["says"])
    assert "backlog: newest of 2025-06-01 18:10 UTC" in str(well["fresh values"]["says"])


def test_before_the_first_training_nothing_is_made(run, bare: Path) -> None:
    done = run("doctor")
    assert done.code == 0
    assert "the first training makes it" in done.out
    assert not (bare / ".outlast").exists()


def test_outside_of_a_project_it_says_where_to_go(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("doctor")
    assert (done.code, "outlast init NAME" in " ".join(done.out.split())) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_an_environment_nobody_declared_is_named(run, folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("OUTLAST_ENV", "produktion")
    assert "produktion" in str(found(run)["workspace"]["says"])
    assert run("doctor").code == 1


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it where Python has it
def test_a_route_that_cannot_be_read_is_found_before_it_is_needed(run, folder: Path) -> None:
    assert found(run)["routes"]["says"] == "1 way to tell people, each can be read"
    contract = folder / "outlast.toml"
    text = contract.read_text()
    assert 'routes = ["log"]' in text
    contract.write_text(text.replace('routes = ["log"]', 'routes = ["log", "pigeon://loft", "env:PAGER"]'))
    checked = run("check", "--json")
    (said,) = (one for one in checked.json["findings"] if one["column"] == "monitoring")
    assert (checked.code, said["blocks"], "'pigeon://…' is not known" in said["says"]) == (0, False, True)
    assert run("apply").code == 0
    line = found(run)["routes"]
    assert not line["ok"]
    assert "'pigeon://…' is not known" in str(line["says"])
    assert "set PAGER where `outlast tick` runs" in str(line["says"])


def test_a_model_that_tells_nobody_is_found(run, folder: Path) -> None:
    contract = folder / "outlast.toml"
    contract.write_text(contract.read_text().replace('routes = ["log"]', "routes = []"))
    checked = run("check", "--json")
    assert [one["column"] for one in checked.json["findings"]] == ["monitoring.routes"]
    assert "In force, and yet: monitoring.routes is empty, so nobody is told of a page" in run("apply").out
    line = found(run)["routes"]
    assert not line["ok"]
    assert "late-orders: a page is told to nobody" in str(line["says"])
    assert run("doctor").code == 1


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_every_broken_route_is_named_until_another_takes_its_place(run, folder: Path) -> None:
    dead = ["http://127.0.0.1:9/secret", "pigeon://loft"]
    workspace, contract = Workspace.find(folder), folder / "outlast.toml"
    text = contract.read_text()
    contract.write_text(text.replace('routes = ["log"]', f"routes = {dead}"))
    assert run("apply").code == 0
    with workspace.ledger.write() as connection:
        message = Message("late-orders", "drift", ("x",), "page", "x has moved", {"version": 1})
        say(connection, message, dead, now())
    ticked = next(one for one in run("tick", "--json").json if one["job"] == "alerts")
    for said in (str(ticked["sentence"]), str(found(run)["alerts"]["says"])):
        assert "http://127.0.0.1:9 cannot be reached" in said
        assert "'pigeon://…' is not known" in said
        assert "secret" not in said
    contract.write_text(text)
    assert run("apply").code == 0
    run("tick")
    line = found(run)["alerts"]
    assert line["ok"]
    assert line["says"] == (
        "every alert is delivered, 2 of them elsewhere than on http://127.0.0.1:9, pigeon://…, as the contract says now"
    )


def test_a_damaged_bundle_is_found(run, folder: Path) -> None:
    workspace = Workspace.find(folder)
    file = workspace.artifacts.path(versions(workspace.ledger, "late-orders")[0].digest)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    line = found(run)["bundles"]
    assert not line["ok"]
    assert "late-orders@1" in str(line["says"])


def test_a_changed_audit_trail_is_found(run, folder: Path) -> None:
    with closing(sqlite3.connect(folder / ".outlast" / "ledger.db")) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    line = found(run)["audit trail"]
    assert (line["ok"], "somebody edited it" in str(line["says"])) == (False, True)


def test_an_edited_verdict_is_found_and_is_no_evidence_any_more(run, folder: Path) -> None:
    with closing(sqlite3.connect(folder / ".outlast" / "ledger.db")) as connection, connection:
        connection.execute("DROP TRIGGER verdicts_no_update")
        connection.execute("UPDATE verdicts SET passed = 0")
    line = found(run)["audit trail"]
    assert (line["ok"], "about version 1 of model 'late-orders' does not say" in str(line["says"])) == (False, True)
    for command in ("show", "why"):
        assert "it was edited since and proves nothing" in " ".join(run(command).out.split())
        assert run(command, "--json").json["verdict"]["whole"] is False


def test_lost_fresh_values_are_found(run, folder: Path) -> None:
    store = Workspace.find(folder).fresh
    for digest in store.digests():
        store.drop(digest)
    line = found(run)["fresh values"]
    assert (line["ok"], "outlast push" in str(line["says"])) == (False, True)


def test_an_older_ledger_is_brought_up(run, folder: Path) -> None:
    with closing(sqlite3.connect(folder / ".outlast" / "ledger.db")) as connection, connection:
        (head,) = connection.execute("SELECT version_num FROM ledger_version").fetchone()
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    line = found(run)["ledger"]
    assert (line["ok"], "newer release" in str(line["says"])) == (False, True)
    with closing(sqlite3.connect(folder / ".outlast" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE ledger_version SET version_num = ?", (head,))
    done = run("doctor", "--migrate")
    assert (done.code, f"is at revision {head} already" in " ".join(done.out.split())) == (0, True)


def test_a_lease_from_the_future_is_found(run, folder: Path) -> None:
    leases.acquire(Workspace.find(folder).ledger, "watch/late-orders", "elsewhere:1", 10, now() + timedelta(days=9))
    line = found(run)["leases"]
    assert (line["ok"], "elsewhere:1" in str(line["says"])) == (False, True)


def test_a_job_that_fails_at_every_tick_is_found(run, folder: Path) -> None:
    ledger, began = Workspace.find(folder).ledger, datetime(2024, 3, 1, tzinfo=UTC)
    for hour in range(3):
        fails(ledger, "watch", "late-orders", "The disk is full: free some", began + timedelta(hours=hour))
    done = run("doctor")
    assert done.code == 1
    says = str(found(run)["ticks"]["says"])
    assert "watch of late-orders fails since 2024-03-01 00:00 UTC: The disk is full: free some" in says
    works(ledger, "watch", "late-orders")
    assert run("doctor").code == 0


@pytest.mark.parametrize(("age", "well"), [(timedelta(minutes=1), True), (timedelta(hours=1), False)])
def test_a_mirror_that_lags_is_found_after_a_while(run, folder: Path, monkeypatch, age: timedelta, well: bool) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    then = (now() - age).replace(tzinfo=None).isoformat(sep=" ")
    with closing(sqlite3.connect(folder / ".outlast" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE versions SET created_at = ?", (then,))
        connection.execute("UPDATE rollouts SET updated_at = ?", (then,))
    line = found(run)["mlflow"]
    assert line["ok"] is well
    assert ("late-orders@1" in str(line["says"])) is not well


def test_a_missing_library_is_named(run, folder: Path, monkeypatch) -> None:
    from outlast.cli import health

    monkeypatch.setitem(health._NEEDED, "a-library-nobody-has", "a_library_nobody_has")
    line = found(run)["libraries"]
    assert (line["ok"], "pip install" in str(line["says"])) == (False, True)


def test_a_fact_dated_ahead_does_not_hide_that_the_feed_stands_still(run, folder: Path) -> None:
    workspace = Workspace.find(folder)
    for digest in workspace.fresh.digests():
        workspace.fresh.ingest(digest, [Fact("north", "ahead", micros(now() + timedelta(days=365)), b"\x91\x01")])
    says = str(found(run)["fresh values"]["says"])
    assert "backlog: newest of 2025-06-01 18:10 UTC" in says
    assert f"some are dated ahead, up to {now() + timedelta(days=365):%Y-%m-%d}" in says
    for digest in workspace.fresh.digests():
        workspace.fresh.drop(digest)
        workspace.fresh.ingest(digest, [Fact("north", "ahead", micros(now() + timedelta(days=365)), b"\x91\x01")])
    line = found(run)["fresh values"]
    assert not line["ok"]
    assert "finds no facts of 'backlog' (some are dated ahead" in str(line["says"])
    workspace.fresh.close()


def test_what_lies_there_for_nobody_is_told(run, folder: Path) -> None:
    workspace = Workspace.find(folder)
    workspace.fresh.ingest("d" * 64, [Fact("north", "k", 1, b"\x91\x01")])
    line = found(run)["fresh values"]
    assert line["ok"]
    assert "1 lookup that no version here ever read (another workspace of the name " in str(line["says"])
    assert run("tick").code == 0
    assert workspace.fresh.count("d" * 64) == 1
    workspace.fresh.close()


def test_damaged_fresh_values_are_filled_again(run, folder: Path) -> None:
    path = folder / ".outlast" / "fresh.db"
    before = path.read_bytes()
    path.write_bytes(b"?" * len(before))
    for beside in ("fresh.db-wal", "fresh.db-shm"):  # with which SQLite may still read every page of it
        path.with_name(beside).unlink(missing_ok=True)
    assert "outlast doctor --refill" in str(found(run)["fresh values"]["says"])
    done = run("doctor", "--refill")
    assert done.code == 0, done.out
    assert "the damaged file is" in " ".join(done.out.split())
    assert run("predict", "--example").code == 0
