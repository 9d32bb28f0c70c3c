"""What is watched, asked of a server: incidents, value, the week and the loop, told as on the server's own machine."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from outlast.bundle.answers import Answer
from outlast.bundle.format import open_bundle, pack
from outlast.control.client import Server
from outlast.control.http import controls
from outlast.control.operations import AB, INCIDENTS, RESOLVE, RETRAIN, VALUE
from outlast.control.shapes import About, Attending, Earning, Listing, Reasoned
from outlast.errors import Refused
from outlast.journal.journal import Journal
from outlast.journal.reading import predictions
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.monitoring.value.live import value
from outlast.project.workspace import Workspace
from outlast.registry import audit, verdicts
from outlast.registry.rollout import Action, transition
from outlast.registry.tokens import Wanted, create
from outlast.registry.versions import register
from outlast.retraining import loop
from outlast.retraining.deciding.records import decisions
from outlast.retraining.judging.readout import read_out
from outlast.retraining.succeeding.runs import wait
from outlast.retraining.succeeding.state import Standing, stand
from outlast.retraining.tick import tick
from outlast.serving.server import local
from outlast.types import micros, now

sys.path.insert(0, str(Path(__file__).parent.parent / "monitoring"))
CHECKS = [{"name": "bundle", "passed": True, "says": "it is whole", "evidence": {}}]
DAYS = 4


class Away(NamedTuple):
    """A server of a watched workspace, who holds which token, and the contract in force."""

    address: str
    workspace: Workspace
    secrets: dict[str, str]
    contract: Any

    def server(self, name: str) -> Server:
        return Server(self.address, self.secrets[name])


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "workspace.toml").write_text("[costs]\ncpu_hour = 0.06\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        workspace, contract = lived(folder)
        secrets = {
            role: create(workspace.ledger, Wanted.of(f"the {role}", [role], at=now()), by="ada", at=now())[1]
            for role in ("view", "train", "operate")
        }
        other = Wanted.of("elsewhere", ["admin"], ["other"], at=now())
        secrets["elsewhere"] = create(workspace.ledger, other, by="ada", at=now())[1]
        with controls(workspace) as extra, local(workspace, extra=extra) as address:
            yield Away(address, workspace, secrets, contract)
    workspace.ledger.dispose()


def lived(folder: Path) -> tuple[Workspace, Any]:
    """Some days of a live version's answers and of a shadow's, counted."""
    from watched import DAY, START, SUMMARY, made, predict, through_the_day

    workspace, origin = made(folder, {"monitoring": {"cadence": "1d"}})
    first = open_bundle(workspace, origin.digest)
    manifest = {name: value for name, value in first.manifest.items() if name not in ("format", "files")}
    digest = workspace.artifacts.put(pack({**manifest, "second": True}, dict(first.files)))
    summary = {**SUMMARY, "contract": origin.contract.model_dump(mode="json")}
    register(
        workspace.ledger, "late", digest=digest, code_digest=None, task="binary", summary=summary, lineage={},
        by="ada", at=START,
    )  # fmt: skip
    let_out(workspace, 1, "promote", START)
    let_out(workspace, 2, "shadow", START)
    for day in range(DAYS):
        ids = predict(workspace, origin, through_the_day(200, START + day * DAY), seed=2 + day)
        beside(workspace, replace(origin, version=2, digest=digest), ids, START + day * DAY)
    tick(workspace, now=START + (DAYS + 1) * DAY)
    return workspace, origin.contract


def let_out(workspace: Workspace, number: int, action: Action, at: datetime) -> None:
    with workspace.ledger.write() as connection:
        verdict = verdicts.write(connection, "late", number, at, CHECKS)
    transition(workspace.ledger, "late", action=action, to=number, by="ada", at=at, verdict=verdict)


def beside(workspace: Workspace, origin: Any, ids: list[str], day: datetime) -> None:
    """What the shadow said to the same questions: to call every fifth off."""
    from watched import DAY

    rows = predictions(workspace, "late", day, day + DAY, clock="at").collect().sort("at")
    told = [
        Answer(
            f"s{row['prediction_id']}", None, micros(row["at"]), micros(row["at"]), {}, {}, row["score"], None,
            "wait" if number % 5 == 0 else row["decision"], "full", [], [], b"",
        )
        for number, row in enumerate(rows.to_dicts())
    ]  # fmt: skip
    assert len(told) == len(ids)
    with Journal(workspace) as journal:
        journal.shadows([(told, rows["request_id"][0])], origin, server="s1")


@pytest.fixture
def laptop(away: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose ledger is nowhere, with the token of an operator."""
    monkeypatch.setenv("OUTLAST_LEDGER", "sqlite:////dev/null/ledger.db")
    monkeypatch.setenv("OUTLAST_SERVER", away.address)
    monkeypatch.setenv("OUTLAST_TOKEN", away.secrets["operate"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def there(run_there, away: Away, laptop: Path) -> Callable[..., Any]:
    """Run a command in the workspace itself."""

    return run_there(away.workspace.root)


@pytest.fixture
def found(away: Away) -> Callable[[str], str]:
    """Let something be found about a column; the id of the incident."""

    def raised(column: str) -> str:
        scope = Scope("late", 1, "day", now(), now() + timedelta(days=1))
        finding = Finding("empty-column", column, "page", f"{column} is missing", None)
        with away.workspace.ledger.write() as connection:
            assert raise_findings(connection, scope, [finding], away.contract, now()) == 1
        (seen,) = (one for one in away.server("view").ask(INCIDENTS, Listing("late")) if column in one.cause)
        return seen.id

    return raised


@pytest.mark.parametrize(
    "words", ["value late", "value late@1 --since 2013-07-02", "weekly late --until 2013-07-06", "decisions late", "ab"]
)
def test_what_is_watched_is_told_alike_by_the_server(run, there: Callable[..., Any], laptop: Path, words: str) -> None:
    for form in ((), ("--json",)):
        here, far = there(*words.split(), *form), run(*words.split(), *form)
        assert (far.code, timeless(far.out)) == (here.code, timeless(here.out)) == (0, timeless(here.out)), here.err
        assert here.out


def timeless(text: str) -> str:
    return re.sub(r"Written .* UTC", "", text)


def test_what_was_computed_arrives_as_it_was(away: Away) -> None:
    readout = read_out(away.workspace, "late", 2, now=now())
    assert readout is not None
    assert readout.gain is not None
    assert (readout.pairs, readout.stage) == (200 * DAYS, "shadow")
    acted = predictions(away.workspace, "late").filter(pl.col("decision") == "act").collect()
    turned = sum(int(one.split("-")[1]) % 5 == 0 for one in acted["prediction_id"])
    assert readout.agreement == pytest.approx(1 - turned / readout.pairs)  # row by row, of requests of 200 rows
    assert away.server("view").ask(AB, About("late")) == readout
    known = value(away.workspace, "late", now=now())
    assert known.money.gain.value
    assert away.server("view").ask(VALUE, Earning("late")) == known


def test_a_week_is_written_on_a_laptop_with_its_pictures(run, laptop: Path) -> None:
    assert run("weekly", "late", "--until", "2013-07-06", "-o", "week.html").code == 0
    assert (laptop / "week.html").read_text("utf-8").count("<svg") == 2
    done = run("weekly", "late", "-o", "week.pdf")
    assert (done.code, "ends in .md or .html" in done.err) == (2, True)
    done = run("weekly", "late", "--until", "0001-01-05")
    assert (done.code, "No week that ends with 0001-01-05" in done.err) == (1, True)


def test_the_price_of_a_server_s_answers_is_of_the_workspace_one_is_in(run, away: Away, laptop: Path) -> None:
    (laptop / "workspace.toml").write_text("")
    done = run("value", "late", "--metrics", "http://127.0.0.1:1")
    assert (done.code, "metrics at http://127.0.0.1:1/metrics cannot be read" in done.err) == (1, True)
    assert run("value", "late", "--json").json["cost"]["money"] is None


def test_an_incident_is_attended_to_from_a_laptop(run, away: Away, there, laptop: Path, found) -> None:
    one = found("wind")
    assert one in run("incidents", "late").out
    for form in ((), ("--json",)):
        assert run("incident", one, *form).out == there("incident", one, *form).out
        assert run("incidents", "late", *form).out == there("incidents", "late", *form).out
    for words, state, owner in (
        (("ack", one), "acknowledged", "ops@example.com"),
        (("assign", one, "ana"), "acknowledged", "ana"),
        (("snooze", one, "4h"), "snoozed", "ana"),
        (("resolve", one), "resolved", "ana"),
    ):
        done = run(*words, "--reason", "so it is", "--json").json
        assert (done["state"], done["owner"]) == (state, owner)
        last = done["timeline"][-1]
        assert (last["by"], "so it is" in last["sentence"]) == ("the operate", True)
    entry = audit.entries(away.workspace.ledger, object="late")[-1]
    assert (entry.action, entry.detail["identity"]) == (
        "resolve incident", f"token {away.secrets['operate'].split('_')[1]}",
    )  # fmt: skip
    assert one not in run("incidents", "late").out
    assert one in run("incidents", "late", "--all").out


def test_an_incident_is_accepted_from_a_laptop(run, laptop: Path, found) -> None:
    one = found("origin")
    done = run("accept", one, "--reason", "a new feed")
    assert (done.code, f"{one} of late is accepted" in done.out) == (0, True)
    again = run("resolve", one)
    assert (again.code, again.err.count("\n")) == (3, 1)


def test_a_token_attends_to_what_its_role_and_models_are_for(
    run, away: Away, laptop: Path, found, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = found("wind")
    monkeypatch.setenv("OUTLAST_TOKEN", away.secrets["view"])
    assert run("incident", one).code == 0
    for words in (("ack", one), ("retrain", "late")):
        done = run(*words)
        assert (done.code, "has view, and '/control/" in done.err) == (3, True)
    monkeypatch.setenv("OUTLAST_TOKEN", away.secrets["elsewhere"])
    assert run("incidents", "--json").json == []
    assert (run("incident", one).code, run("resolve", one).code) == (4, 4)
    for name in ("value", "weekly", "decisions", "ab", "retrain"):
        done = run(name, "late")
        assert (done.code, "is for other only" in done.err) == (3, True)
    away.server("operate").ask(RESOLVE, Attending(one, "the test is over"))


@pytest.fixture
def single(away: Away) -> Iterator[None]:
    """Nothing stands beside what is live."""
    transition(away.workspace.ledger, "late", action="withdraw", by="ada", at=now())
    yield
    let_out(away.workspace, 2, "shadow", now())


@pytest.mark.usefixtures("single")
def test_a_successor_is_asked_for_and_not_waited_for(run, away: Away, laptop: Path, monkeypatch) -> None:
    monkeypatch.setenv("OUTLAST_TOKEN", away.secrets["train"])
    monkeypatch.delenv("OUTLAST_LEDGER")  # the server is in this process, and hands its environment on
    asked = run("retrain", "late", "--reason", "prices have changed")
    assert asked.code == 0, asked.err
    assert "the train asked for it: prices have changed" in " ".join(asked.out.split())
    assert "See: outlast decisions late" in asked.out
    wait(away.workspace, "late")
    begun, ended = decisions(away.workspace.ledger, "late")[-2:]
    assert (begun.what, begun.trigger, ended.what) == ("started", "asked", "failed")
    assert "does not lie in" in ended.sentence  # nobody trained it here
    assert run("decisions", "late", "--json").json[-1]["sentence"] == ended.sentence


@pytest.mark.usefixtures("single")
def test_two_successors_are_never_asked_for(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "start", lambda *_: True)
    server = away.server("train")
    assert server.ask(RETRAIN, Reasoned("late")).what == "started"
    with pytest.raises(Refused, match="a successor is being trained, and there are never two"):
        server.ask(RETRAIN, Reasoned("late"))
    with away.workspace.ledger.write() as connection:
        stand(connection, "late", Standing(), now())
