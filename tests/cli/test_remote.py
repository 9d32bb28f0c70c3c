"""Commands that ask a server: they change nothing themselves, and say what they would say on the server's machine."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from outlast.bundle.predictor import open_bundle
from outlast.cli.app import app
from outlast.control.client import Server
from outlast.control.operations import CLAIM, REGISTER
from outlast.control.shapes import Claiming, Registering
from outlast.errors import OutlastError
from outlast.gates.verdict import last_verdict
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.tokens import Wanted, create
from outlast.registry.versions import find
from outlast.types import ModelRef, now

NOWHERE = "sqlite:////dev/null/ledger.db"
CHANGING = {
    "apply": ([], 0, ""),
    "train": (["--seed", "5", "--quiet"], 0, ""),
    "backfill": ([], 0, ""),
    "gate": (["late-orders@9"], 4, "has no version 9"),
    "approve": (["late-orders@1", "-m", "seen"], 0, ""),
    "reject": (["late-orders@9", "-m", "no"], 4, "has no version 9"),
    "promote": (["late-orders@9"], 4, "has no version 9"),
    "withdraw": ([], 3, "challenger"),
    "rollback": ([], 3, "has no earlier version"),
    "retire": (["late-orders@9"], 4, "has no version 9"),
    "transfer": (["late-orders@1", "--to", "moon"], 2, "is not declared"),
    "erase": (["--key", "nobody"], 0, ""),
    **{name: (["zzzzz"], 4, "There is no incident") for name in ("ack", "resolve", "accept")},
    "assign": (["zzzzz", "ana"], 4, "There is no incident"),
    "snooze": (["zzzzz", "4h"], 4, "There is no incident"),
    "retrain": (["nothing"], 4, "There is no model"),
}
"""Commands that change what the server keeps: with a server, each of them asks it."""
READING = {
    **{name: ([], 0, "") for name in ("versions", "show", "why", "history", "card")},
    "incidents": ([], 0, "[]"),
    "incident": (["zzzzz"], 4, "There is no incident"),
    **{name: ([], 0, "") for name in ("value", "weekly")},
    "decisions": ([], 0, "[]"),
    "ab": ([], 4, "Nothing stands beside"),
    "ready": ([], 3, ""),
    "compare": (["late-orders@9"], 4, "has no version 9"),
}
"""Commands that read what the server keeps."""
HERE = {
    *(
        "init",
        "check",
        "dataset",
        "serve",
        "predict",
        "score",
        "label",
        "act",
        "push",
        "monitor",
        "feeds",
        "skew",
    ),
    *("replay", "reproduce", "adopt", "tick", "up", "doctor", "backup", "restore", "load-test"),
}
"""Commands that look at the workspace itself."""


SERVER = """
import sys
from outlast.cli import main
from outlast.gates.judge import CHECKS

for costly in ("latency", "reproducible"):
    del CHECKS[costly]
main(sys.argv[1:])
"""
"""The command, by the gate's quick form."""


class Team(NamedTuple):
    """A server in a process of its own, the workspace it serves, and who holds which token."""

    address: str
    workspace: Workspace
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def team(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    place = tmp_path_factory.mktemp("server") / "late-orders"
    shutil.copytree(trained, place)
    workspace = Workspace.find(place)
    secrets = {}
    for role in ("view", "operate", "admin"):
        _, secrets[role] = create(workspace.ledger, Wanted.of(f"the {role}", [role], at=now()), by="ada", at=now())
    wanted = Wanted.of("elsewhere", ["admin"], ["other"], at=now())
    _, secrets["elsewhere"] = create(workspace.ledger, wanted, by="ada", at=now())
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "off"}
    command = [sys.executable, "-c", SERVER, "serve", "--port", "0"]
    with (
        (place / "server.log").open("w") as log,
        subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, (place / "server.log").read_text()
        yield Team(found[0], workspace, secrets)
        process.terminate()
    workspace.ledger.dispose()


@pytest.fixture
def laptop(team: Team, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project on another machine, whose ledger is nowhere, with the token of an admin."""
    monkeypatch.setenv("OUTLAST_LEDGER", NOWHERE)
    monkeypatch.setenv("OUTLAST_SERVER", team.address)
    monkeypatch.setenv("OUTLAST_TOKEN", team.secrets["admin"])
    return bare


def test_every_command_is_known_to_ask_a_server_or_not_to() -> None:
    names = {command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback}
    assert CHANGING.keys() | READING.keys() | HERE == names


@pytest.mark.parametrize("name", [*CHANGING, *READING])
def test_with_a_server_no_command_opens_the_ledger(run, laptop: Path, name: str) -> None:
    words, code, said = {**CHANGING, **READING}[name]
    done = run(name, *words, "--json")
    assert (done.code, said in done.out + done.err, "/dev/null" in done.err) == (code, True, False), done.err
    assert code not in (0, 3) or said or done.json
    assert not (laptop / ".outlast" / "ledger.db").exists()


def test_a_version_trained_on_a_laptop_lives_on_the_server(run, team: Team, laptop: Path) -> None:
    before = len(run("versions", "--json").json)
    trained = run("train", "--seed", "7", "--json")
    assert (trained.code, trained.err) == (0, "")
    version = trained.json["version"]
    assert (version["number"], version["created_by"]) == (before + 1, "the admin")
    kept = find(team.workspace.ledger, ModelRef("late-orders", version["number"]))
    bundle = open_bundle(team.workspace, version["digest"])
    assert bundle.manifest["model"] == "late-orders"
    assert bundle.json("summary.json").items() <= kept.summary.items()
    assert all(team.workspace.artifacts.exists(one["artifact"]) for one in kept.lineage["builds"].values())
    registered = audit.entries(team.workspace.ledger, object="late-orders")[-1]
    assert (registered.action, registered.detail["digest"]) == ("register", version["digest"])


@pytest.mark.parametrize(
    ("model", "digest", "change", "said"),
    [
        ("late-orders", "0" * 64, {}, "is not in"),
        ("late-orders", None, {"rows": {"train": 1}}, "is not the one in its bundle"),
        ("other", None, {}, "holds model 'late-orders', not 'other'"),
        ("../up", None, {}, "cannot be a name"),
    ],
)
def test_what_is_said_of_a_bundle_must_be_in_it(team: Team, model: str, digest, change, said: str) -> None:
    version = find(team.workspace.ledger, ModelRef("late-orders", 1))
    server = Server(team.address, team.secrets["admin"])
    asked = Registering(model, digest or version.digest, {**version.summary, **change}, version.lineage)
    with pytest.raises(OutlastError, match=said):
        server.ask(REGISTER, asked)
    assert server.ask(REGISTER, Registering("late-orders", version.digest, version.summary, version.lineage)) == version


def test_names_are_claimed_on_the_server(team: Team) -> None:
    server = Server(team.address, team.secrets["admin"])
    for claims, said in (
        ([("source", "orders", {"key": ["another"]})], "differs from the one of model 'late-orders'"),
        ([("model", "late-orders", {"folder": "x"})], "expected its own"),
        ([("table", "orders", {})], "did you mean|known"),
        ([("source", "../orders", {})], "cannot be a name"),
    ):
        with pytest.raises(OutlastError, match=said):
            server.ask(CLAIM, Claiming("other", claims))


@pytest.fixture
def there(run_there, team: Team, laptop: Path) -> Callable[..., Any]:
    """Run a command on the server's machine, in the workspace itself."""

    return run_there(team.workspace.root)


@pytest.fixture
def number(team: Team, there: Callable[..., Any]) -> int:
    """A second version, trained on the server's machine once."""
    kept = team.workspace.root / "second"
    if not kept.exists():
        kept.write_text(str(there("train", "--seed", "2", "--json").json["version"]["number"]))
    return int(kept.read_text())


@pytest.fixture(scope="module")
def prediction(team: Team) -> str:
    """The id of an answer that the server gave."""
    headers = {"authorization": f"Bearer {team.secrets['admin']}"}
    example = httpx.get(team.address, headers=headers).json()["models"]["late-orders"]["example"]
    answer = httpx.post(f"{team.address}/predict/late-orders", json=example, headers=headers)
    return str(answer.json()["prediction_id"])


@pytest.mark.parametrize(
    "words",
    ["why late-orders@1", "why ID", "why ID --explain", "ready late-orders", "card", "compare late-orders@1 TWO"],
)
def test_what_is_told_of_a_version_is_told_alike_by_the_server(
    run, there: Callable[..., Any], laptop: Path, prediction: str, number: int, words: str
) -> None:
    asked = words.replace("ID", prediction).replace("TWO", f"late-orders@{number}").split()
    for form in ((), ("--json",)):
        here, far = there(*asked, *form), run(*asked, *form)
        assert (far.code, _timeless(far.out)) == (here.code, _timeless(here.out))
        assert len(here.out) > 500
    assert not (laptop / ".outlast" / "ledger.db").exists()


def _timeless(text: str) -> str:
    """Without the moment at which it was said, and ages by then."""
    return re.sub(r'made \d.* UTC|"(at|made)": "[^"]+"|\d\S* ago', "", text)


def test_the_page_of_a_card_has_its_pictures_on_a_laptop_too(run, team: Team, laptop: Path) -> None:
    assert run("card", "--html", "card.html").code == 0
    assert (laptop / "card.html").read_text().count("<svg") == 4


def test_an_answer_of_another_model_is_not_told_of(run, team: Team, laptop: Path, prediction: str, monkeypatch) -> None:
    monkeypatch.setenv("OUTLAST_TOKEN", team.secrets["elsewhere"])
    assert "There is no prediction" in run("why", prediction).err
    assert "is for other only" in run("compare", "other@1", "late-orders@1").err
    monkeypatch.setenv("OUTLAST_TOKEN", team.secrets["view"])
    assert run("why", prediction).code == 0
    assert "needs approve or operate or train" in run("compare", "late-orders@1").err


def test_what_is_promoted_from_a_laptop_is_recorded_with_the_token(run, team: Team, laptop: Path, number: int) -> None:
    done = run("promote", f"late-orders@{number}", "--reason", "a better one")
    assert (done.code, f"late-orders@{number} is live; before it: 1" in done.out) == (0, True)
    assert re.search(r"skew +\d", done.err)  # progress comes over the line
    step = run("history", "--json").json["transitions"][-1]
    assert (step["to_version"], step["by"], step["reason"]) == (number, "the admin", "a better one")
    entry = audit.entries(team.workspace.ledger, object="late-orders")[-1]
    assert entry.detail["identity"] == f"token {team.secrets['admin'].split('_')[1]}"
    assert run("rollback", "--json").json["live"] == 1
    assert audit.verify(team.workspace.ledger) is None


def test_a_version_is_judged_by_the_server_and_the_verdict_is_kept_there(run, team: Team, laptop: Path) -> None:
    done = run("gate", "late-orders@1", "--json")
    assert (done.code, done.json["passed"]) == (0, True)
    kept = last_verdict(team.workspace.ledger, find(team.workspace.ledger, ModelRef("late-orders", 1)))
    assert kept.digest == done.json["digest"]


def test_a_changed_contract_comes_into_force_from_a_laptop(run, team: Team, laptop: Path) -> None:
    contract = laptop / "outlast.toml"
    contract.write_text(re.sub(r'owner = ".*"', 'owner = "night-shift"', contract.read_text()))
    changed = run("apply", "--json").json["changes"]
    assert [(one["key"], one["after"]) for one in changed] == [("model.owner", "night-shift")]
    assert run("apply", "--json").json["changes"] == []


def test_tokens_are_made_and_revoked_from_a_laptop(run, team: Team, laptop: Path) -> None:
    made = run("token", "create", "shop", "--role", "predict", "--expires", "1d", "--json").json
    assert made["token"]["created_by"] == "the admin"
    assert run("token", "revoke", made["token"]["id"]).code == 0
    found = {one["id"]: one["state"] for one in run("token", "list", "--json").json}
    assert found[made["token"]["id"]] == "revoked"


@pytest.mark.parametrize(
    ("secret", "words", "expected"),
    [
        (None, ("rollback",), (3, "needs a token: set OUTLAST_TOKEN")),
        (
            "outlast_00000000_" + "x" * 43,
            ("rollback",),
            (3, "does not take OUTLAST_TOKEN: the token is not known here"),
        ),
        ("view", ("rollback",), (3, "has view, and '/control/rollback' needs operate")),
        ("operate", ("token", "create", "eve", "--role", "admin"), (3, "needs admin")),
        ("elsewhere", ("rollback",), (3, "is for other only")),
        ("elsewhere", ("token", "create", "eve", "--role", "admin"), (3, "is for other only")),
        ("elsewhere", ("token", "list"), (3, "is for other only")),
        ("view", ("show", "late-orders@9"), (4, "has no version 9")),
        ("view", ("show", "late-ordres"), (4, "did you mean 'late-orders'")),
        ("admin", ("token", "create", "eve", "--role", "boss"), (1, "cannot have the role 'boss'")),
    ],
)
def test_a_refusal_is_the_server_s_own_sentence_and_exit_code(
    run, team: Team, laptop: Path, monkeypatch: pytest.MonkeyPatch, secret, words, expected
) -> None:
    code, said = expected
    if secret is None:
        monkeypatch.delenv("OUTLAST_TOKEN")
    else:
        monkeypatch.setenv("OUTLAST_TOKEN", team.secrets.get(secret, secret))
    done = run(*words)
    assert (done.code, said in done.err, done.err.count("\n"), done.out) == (code, True, 1, ""), done.err


def test_a_token_for_other_models_is_told_of_none(run, team: Team, laptop: Path, monkeypatch) -> None:
    monkeypatch.setenv("OUTLAST_TOKEN", team.secrets["elsewhere"])
    monkeypatch.chdir(laptop.parent)
    assert run("versions", "--json").json == []


def test_a_promotion_that_is_refused_by_the_server_is_refused_here(run, team: Team, laptop: Path) -> None:
    run("promote", "late-orders@1", "--quiet")  # live already, or from now on
    refused = run("promote", "late-orders@1", "--json")
    assert (refused.code, refused.out, "is live already" in refused.err) == (3, "", True)


def test_a_server_that_is_not_there_is_one_sentence(run, laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OUTLAST_SERVER", f"http://127.0.0.1:{taken.getsockname()[1]}")
        done = run("rollback", "late-orders")
        assert (done.code, "cannot be reached" in done.err, done.err.count("\n")) == (1, True, 1)
    monkeypatch.setenv("OUTLAST_SERVER", "models.example")
    done = run("rollback", "late-orders")
    assert (done.code, "is no address" in done.err, done.err.count("\n")) == (2, True, 1)


def test_the_workspace_names_the_server_and_off_means_none(
    run, team: Team, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTLAST_SERVER")
    (laptop / "workspace.toml").write_text(f"server = {json.dumps(team.address)}\n")
    assert run("history", "--json").json["model"] == "late-orders"
    monkeypatch.setenv("OUTLAST_SERVER", "off")
    done = run("history")
    assert (done.code, "/dev/null" in done.err) == (1, True)


def test_from_anywhere_the_only_model_is_meant(run, team: Team, laptop: Path, monkeypatch) -> None:
    monkeypatch.chdir(laptop.parent)
    assert run("history", "--json").json["model"] == "late-orders"
