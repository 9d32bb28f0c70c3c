"""promote and rollback, and what versions, show, why and history say about them."""

from pathlib import Path

import pytest

CHECKS = ["bundle", "contract", "data", "leakage", "floors", "value", "calibration", "champion", "slices", "skew"]


@pytest.mark.usefixtures("second")
def test_a_version_that_passes_goes_live(run, folder: Path) -> None:
    done = run("promote", "late-orders@2", "-m", "a better one", "--json")
    assert done.code == 0
    assert (done.json["rollout"]["live"], done.json["rollout"]["previous"]) == (2, 1)
    assert [check["name"] for check in done.json["verdict"]["checks"]] == CHECKS
    assert all(check["passed"] for check in done.json["verdict"]["checks"])
    assert done.json["verdict"]["absent"] == []


@pytest.mark.usefixtures("second")
def test_promoting_says_what_is_live_now(run, folder: Path) -> None:
    done = run("promote")
    assert done.code == 0
    assert "late-orders@2 is live; before it: 1" in done.out


def test_an_incomplete_contract_stands_in_the_way(run, bare: Path) -> None:
    contract = bare / "outlast.toml"
    contract.write_text(contract.read_text().replace("[serving]\np99", "[serving]\n# p99"))
    assert run("train", "--quiet").code == 0
    done = run("promote", "--json")
    assert done.code == 3
    assert done.json["failed"] == ["contract"]
    assert "serving.p99" in done.json["refused"]
    spoken = run("promote")
    assert (spoken.code, "serving.p99" in spoken.err, spoken.out) == (3, True, "")
    assert run("versions", "--json").json[0]["state"] == ""


def test_why_answers_five_questions_on_one_screen_and_says_what_moved_since(run, folder: Path) -> None:
    done = run("why")
    asked = ["what code ran", "what data fed it", "what features", "what environment", "what let it out"]
    assert [line[2:18].strip() for line in done.out.splitlines()[1:] if line[2:3].strip()] == asked
    assert len(done.out.splitlines()) <= 24
    assert "now declared" not in done.out
    file = folder / "model.py"
    (folder / "data" / "orders.csv").rename(folder / "data" / "asked.csv")
    file.write_text(file.read_text().replace("data/orders.csv", "data/asked.csv"))
    assert "data/orders.csv (now declared at data/asked.csv)" in " ".join(run("why").out.split())
    assert run("why", "--json").json["moved"] == {"orders": "data/asked.csv"}
    file.write_text(file.read_text().replace('Source("backlog"', 'Source("waiting"'))
    assert "data/backlog.csv (model.py declares it no more)" in " ".join(run("why").out.split())
    file.write_text("nonsense(")
    assert run("why").code == 0


def test_promoting_what_is_live_is_a_conflict(run, folder: Path) -> None:
    done = run("promote")
    assert (done.code, "is live already" in done.err) == (3, True)


@pytest.mark.usefixtures("second")
def test_rolling_back_brings_the_version_before(run, folder: Path) -> None:
    assert run("promote", "--quiet").code == 0
    done = run("rollback", "--reason", "too many alarms")
    assert (done.code, done.out) == (0, "late-orders@1 is live again; before it: none\n")
    steps = run("history", "--json").json["transitions"]
    assert [(s["action"], s["to_version"], s["by"], s["reason"]) for s in steps] == [
        ("promote", 1, "ada", "the first"),
        ("promote", 2, "ada", ""),
        ("rollback", 1, "ada", "too many alarms"),
    ]


def test_rolling_back_without_a_version_before_is_refused(run, folder: Path) -> None:
    done = run("rollback")
    assert (done.code, "no earlier version to roll back to" in done.err) == (3, True)


@pytest.mark.usefixtures("second")
def test_versions_say_which_is_live(run, folder: Path) -> None:
    listed = run("versions", "--json").json
    assert [(one["model"], one["number"], one["state"]) for one in listed] == [
        ("late-orders", 1, "live"),
        ("late-orders", 2, ""),
    ]
    shown = run("versions").out.splitlines()
    assert shown[1].split()[:2] == ["late-orders@1", "live"]
    assert max(map(len, shown)) <= 100


def test_show_has_the_figures_and_the_verdict(run, folder: Path) -> None:
    done = run("show", "late-orders@live", "--json")
    assert done.json["state"] == "live"
    assert done.json["verdict"]["checks"][1]["name"] == "contract"
    shown = run("show").out
    for word in ("late-orders@1 (live)", "roc_auc", "shipping@example.com", "passed", "open_orders"):
        assert word in shown
    assert max(map(len, shown.splitlines()[1:])) <= 100


def test_why_names_code_data_features_environment_and_evidence(run, folder: Path) -> None:
    done = run("why", "--json")
    assert set(done.json["sources"]) == {"orders", "deliveries", "backlog"}
    assert done.json["transitions"][0]["reason"] == "the first"
    assert done.json["lineage"]["seed"] == 1
    shown = run("why", "late-orders@1").out
    for question in ("what code ran", "what data fed it", "what features", "what environment", "what let it out"):
        assert question in shown
    assert "2,002 rows" in shown


def test_history_before_anything_was_served(run, folder: Path) -> None:
    shown = run("history", "late-orders").out
    assert "promote" in shown
    assert "No server has served late-orders" in shown


@pytest.mark.parametrize("command", ["show", "why", "promote", "rollback", "history", "versions", "monitor"])
def test_a_wrong_model_gets_the_nearest_name(run, folder: Path, command: str) -> None:
    done = run(command, "late-order")
    assert done.code == 4
    assert "did you mean 'late-orders'?" in done.err


@pytest.mark.parametrize("command", ["show", "why", "promote", "monitor"])
def test_a_wrong_version_gets_the_list(run, folder: Path, command: str) -> None:
    done = run(command, "late-orders@7")
    assert done.code == 4
    assert "has no version 7. Versions: 1." in done.err


def test_a_reference_that_is_none_is_a_sentence(run, folder: Path) -> None:
    done = run("show", "late-orders@newest")
    assert (done.code, "after @ write a number" in done.err) == (1, True)


@pytest.mark.parametrize("command", ["show", "history", "monitor", "promote"])
def test_before_any_training_the_next_step_is_named(run, bare: Path, command: str) -> None:
    done = run(command)
    assert (done.code, "train one with `outlast train`" in done.err) == (4, True)


def test_a_corrupt_ledger_is_a_sentence(run, folder: Path) -> None:
    for rest in folder.glob(".outlast/ledger.db-*"):
        rest.unlink()
    (folder / ".outlast" / "ledger.db").write_bytes(b"this is no database, whatever its name says" * 100)
    done = run("versions")
    assert done.code == 1
    assert done.err.startswith("outlast: ")
    assert len(done.err.splitlines()) == 1
